"""Which state of an execution may follow which: the law that histories of executions are held against."""

from __future__ import annotations

from collections.abc import Mapping

from attune.core.executions.execution import FINAL
from attune.core.executions.execution import ExecutionStatus as S

TRANSITIONS: Mapping[S, frozenset[S]] = {
    # RUNNING after those: a node that was lost turns out to have gone on.
    S.REQUESTED: frozenset({S.RUNNING, S.SCHEDULING, S.SCHEDULED, S.CANCELLED, S.FAILED}),
    S.SCHEDULING: frozenset({S.RUNNING, S.REQUESTED, S.SCHEDULED, S.CANCELLED, S.FAILED}),
    S.SCHEDULED: frozenset({S.REQUESTED, S.SCHEDULING, S.RUNNING, S.CANCELLED, S.FAILED}),
    S.RUNNING: frozenset(
        {
            *(S.REQUESTED, S.SCHEDULING, S.SCHEDULED),  # tried again, or given back
            *(S.COMPLETED, S.FAILED, S.TIMEOUT, S.ABANDONED),
            *(S.CANCELING, S.CANCELLED),
        }
    ),
    S.CANCELING: frozenset({S.CANCELLED, S.COMPLETED, S.FAILED, S.TIMEOUT, S.ABANDONED}),
    **{final: frozenset[S]() for final in FINAL},
}
