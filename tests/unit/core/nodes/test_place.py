"""Faults of the place are told by their error numbers, and as one sentence."""

from __future__ import annotations

import errno
import os

import pytest

from attune.core.backoff import Backoff
from attune.core.errors import PlaceError, UsageError
from attune.core.executions.execution import ExecutionStatus, after_outcome
from attune.core.executions.work import WorkEnding, WorkOutcome
from attune.core.nodes.place import place_error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EAGAIN])
def test_shortage_and_read_only_file_systems_are_faults_of_the_place(number: int) -> None:
    found = place_error(OSError(number, os.strerror(number), "/run/x"))

    assert isinstance(found, PlaceError)
    assert str(found).startswith("/run/x: ")
    assert "Errno" not in str(found)


def test_what_is_run_may_be_missing_or_damaged_without_a_fault_of_the_place() -> None:
    assert place_error(FileNotFoundError(errno.ENOENT, "", "/opt/python")) is None
    assert place_error(OSError(errno.ENOEXEC, "", "/opt/python")) is None
    assert place_error(UsageError("the host refuses it")) is None


def test_a_fault_without_a_path_is_told_of_what_was_started() -> None:
    assert (
        str(place_error(OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "/opt/python"))
        == "/opt/python: too many open files"
    )


def test_work_without_a_place_is_given_back_however_often() -> None:
    outcome = WorkOutcome(WorkEnding.NO_PLACE, reason="no space")
    then = after_outcome(outcome, failures=0, retries=0, backoff=Backoff(60, 60), not_started=99)

    assert (then.status, then.reason, then.counts) == (ExecutionStatus.SCHEDULING, "no space", False)
