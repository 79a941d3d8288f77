"""What follows an attempt, held against which state may follow which."""

from __future__ import annotations

import pytest

from attune.core.backoff import Backoff
from attune.core.executions.action import OnLost
from attune.core.executions.execution import (
    FINAL,
    MOST_LOSSES,
    ExecutionStatus,
    after_loss,
    after_outcome,
)
from attune.core.executions.work import WorkEnding, WorkOutcome
from execution_transitions import TRANSITIONS

S = ExecutionStatus


def test_nothing_follows_a_final_state_and_all_else_leads_to_one() -> None:
    assert set(TRANSITIONS) == set(S)
    assert {state for state, following in TRANSITIONS.items() if not following} == FINAL


@pytest.mark.parametrize(
    ("ending", "exit_code", "retries", "failures", "cancel_asked", "expected"),
    [
        (WorkEnding.EXITED, 0, 0, 0, False, S.COMPLETED),
        (WorkEnding.EXITED, 0, 0, 0, True, S.COMPLETED),
        (WorkEnding.EXITED, 3, 0, 0, False, S.FAILED),
        (WorkEnding.EXITED, 3, 2, 1, False, S.SCHEDULING),
        (WorkEnding.EXITED, 3, 2, 2, False, S.FAILED),
        (WorkEnding.EXITED, 3, 2, 0, True, S.CANCELLED),
        (WorkEnding.SIGNALED, None, 0, 0, False, S.FAILED),
        (WorkEnding.TIMED_OUT, None, 0, 0, False, S.TIMEOUT),
        (WorkEnding.TIMED_OUT, None, 1, 0, False, S.SCHEDULING),
        (WorkEnding.CANCELLED, None, 5, 0, False, S.CANCELLED),
        (WorkEnding.NOT_STARTED, None, 0, 0, False, S.SCHEDULING),
    ],
)
def test_what_follows_an_attempt(
    ending: WorkEnding, exit_code: int | None, retries: int, failures: int, cancel_asked: bool, expected: S
) -> None:
    outcome = WorkOutcome(ending, exit_code, reason="because")
    follows = after_outcome(
        outcome, failures=failures, retries=retries, backoff=Backoff(2.5, 2.5), cancel_asked=cancel_asked
    )
    assert follows.status is expected
    running = S.CANCELING if cancel_asked else S.RUNNING
    assert follows.status in TRANSITIONS[running]
    given_back = 0.5 if ending is WorkEnding.NOT_STARTED else 2.5
    assert follows.delay_seconds == (given_back if expected is S.SCHEDULING else 0)


def test_what_no_worker_can_start_fails_in_the_end() -> None:
    outcome = WorkOutcome(WorkEnding.NOT_STARTED, reason="no such file")
    assert (
        after_outcome(outcome, failures=0, retries=0, backoff=Backoff(1, 1), not_started=MOST_LOSSES).status is S.FAILED
    )


def test_each_retry_comes_later_and_says_when_and_which_it_is() -> None:
    outcome, backoff = WorkOutcome(WorkEnding.EXITED, 3, reason="ended with exit code 3"), Backoff(2.0, 5.0)
    follows = [after_outcome(outcome, failures=failures, retries=3, backoff=backoff) for failures in range(4)]
    assert [then.delay_seconds for then in follows] == [2.0, 4.0, 5.0, 0.0]
    assert [then.reason for then in follows] == [
        "ended with exit code 3; again in 2 s, attempt 2 of 4",
        "ended with exit code 3; again in 4 s, attempt 3 of 4",
        "ended with exit code 3; again in 5 s, attempt 4 of 4",
        "ended with exit code 3",
    ]
    spread = [after_outcome(outcome, failures=0, retries=1, backoff=backoff, chance=chance) for chance in (0.0, 1.0)]
    assert [then.delay_seconds for then in spread] == [pytest.approx(1.6), pytest.approx(2.4)]


def test_what_kills_worker_after_worker_is_abandoned() -> None:
    follows = after_loss(OnLost.RETRY, worker="w6", losses=MOST_LOSSES)
    assert (follows.status, follows.reason) == (
        S.ABANDONED,
        "worker w6 was lost while it ran, as 5 workers before",
    )


def test_giving_back_uses_up_no_retry() -> None:
    assert not after_outcome(WorkOutcome(WorkEnding.NOT_STARTED), failures=0, retries=0, backoff=Backoff(1, 1)).counts


@pytest.mark.parametrize(
    ("on_lost", "cancel_asked", "expected"),
    [
        (OnLost.RETRY, False, S.SCHEDULING),
        (OnLost.ABANDON, False, S.ABANDONED),
        (OnLost.RETRY, True, S.CANCELLED),
    ],
)
def test_what_follows_a_lost_worker(on_lost: OnLost, cancel_asked: bool, expected: S) -> None:
    follows = after_loss(on_lost, worker="w1", cancel_asked=cancel_asked)
    assert (follows.status, follows.reason) == (expected, "worker w1 was lost while it ran")
