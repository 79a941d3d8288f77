"""The states of an execution of an action, and what follows an attempt."""

from dataclasses import dataclass
from enum import StrEnum

from attune.core.backoff import Backoff
from attune.core.executions.action import OnLost
from attune.core.executions.work import WorkEnding, WorkOutcome


class ExecutionStatus(StrEnum):
    """Where an execution stands."""

    REQUESTED = "requested"  # kept in our own table: no live worker can take it
    SCHEDULING = "scheduling"  # waiting for its next attempt
    SCHEDULED = "scheduled"  # on the queue that capable workers read
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELING = "canceling"  # running, and asked to end
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    ABANDONED = "abandoned"  # its worker died, and the action does not want to be run again


_S = ExecutionStatus
FINAL = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.TIMEOUT, _S.ABANDONED})
"""Nothing follows them: to run again is a new execution."""


LEAST_PRIORITY, DEFAULT_PRIORITY, MOST_PRIORITY = 0, 5, 9


class Policy(StrEnum):
    """What becomes of work that no live worker can take. `WAIT` ends at its deadline, if it has one."""

    WAIT = "wait"
    FAIL = "fail"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class NextStep:
    """What follows an attempt. `delay_seconds` is for `SCHEDULING`; `counts` says whether a retry was used up."""

    status: ExecutionStatus
    reason: str
    delay_seconds: float = 0.0
    counts: bool = False


MOST_LOSSES = 5
"""So often may an execution be lost by its node, or not started; then it is more likely the cause than the victim."""
_GIVEN_BACK_SECONDS = 0.5
_NO_KEY_SECONDS = 5.0


def after_outcome(
    outcome: WorkOutcome,
    *,
    failures: int,
    retries: int,
    backoff: Backoff,
    chance: float = 0.5,
    not_started: int = 0,
    cancel_asked: bool = False,
) -> NextStep:
    """What follows an attempt that ended with *outcome*, of an execution that has failed *failures* times before.

    An attempt whose interpreter could not be executed is given back: that is the host's fault, not the work's, unless
    it is the fault of host after host. One for which there was no place, no key to its secrets, or an interpreter
    that does not start any more, is given back however often.
    """
    if outcome.succeeded:
        return NextStep(_S.COMPLETED, "")
    if cancel_asked or outcome.ending is WorkEnding.CANCELLED:
        return NextStep(_S.CANCELLED, outcome.reason or "cancelled while it ran")
    if outcome.ending in (WorkEnding.NO_PLACE, WorkEnding.GIVEN_BACK, WorkEnding.BROKEN):
        delay = _NO_KEY_SECONDS if outcome.ending is WorkEnding.GIVEN_BACK else _GIVEN_BACK_SECONDS
        return NextStep(_S.SCHEDULING, outcome.reason, delay)
    if outcome.ending is WorkEnding.NOT_STARTED:
        if not_started >= MOST_LOSSES:
            return NextStep(_S.FAILED, outcome.reason, counts=True)
        return NextStep(_S.SCHEDULING, outcome.reason, _GIVEN_BACK_SECONDS)
    if failures < retries and outcome.ending is not WorkEnding.REFUSED:
        delay = backoff.delay(failures + 1, chance)
        again = f"again in {round(delay, 1):g} s, attempt {failures + 2} of {retries + 1}"
        return NextStep(_S.SCHEDULING, f"{outcome.reason}; {again}", delay, counts=True)
    ended = _S.TIMEOUT if outcome.ending is WorkEnding.TIMED_OUT else _S.FAILED
    return NextStep(ended, outcome.reason, counts=True)


def after_loss(
    on_lost: OnLost, *, worker: str, losses: int = 0, cancel_asked: bool = False, stopped: bool = False
) -> NextStep:
    """What follows an attempt whose worker died, or was *stopped*: it ran an unknown part of the work."""
    reason = f"worker {worker} was {'stopped' if stopped else 'lost'} while it ran"
    if cancel_asked:
        return NextStep(_S.CANCELLED, reason)
    if losses >= MOST_LOSSES:
        return NextStep(_S.ABANDONED, f"{reason}, as {losses} workers before")
    return NextStep(_S.SCHEDULING if on_lost is OnLost.RETRY else _S.ABANDONED, reason)
