"""When a process that ended is started again."""

from __future__ import annotations

from attune.core.backoff import RestartRules, Restarts

RULES = RestartRules(first=1, slowest=30, jitter=0.2, healthy_after=60, failed_after=4)


def after(*lives: float) -> Restarts:
    restarts = Restarts()
    for seconds in lives:
        restarts = restarts.ended(seconds, RULES)
    return restarts


def test_pauses_double_and_are_bounded() -> None:
    lives = [after(*[0.1] * failures) for failures in (0, 1, 2, 3, 5, 6, 500)]

    assert [RULES.delay(restarts.failures) for restarts in lives] == [0, 1, 2, 4, 16, 30, 30]


def test_chance_spreads_pauses_by_a_fifth() -> None:
    assert [RULES.delay(after(0.1).failures, chance) for chance in (0.0, 1.0)] == [0.8, 1.2]


def test_a_healthy_time_is_a_new_beginning() -> None:
    assert after(1, 1, 1, 61) == Restarts(failures=1, total=4)
    assert after(1, 1, 1, 1) == Restarts(failures=4, total=4)


def test_too_many_failures_in_a_row_count_as_failed() -> None:
    assert [RULES.given_up(after(*[1.0] * times).failures) for times in (3, 4)] == [False, True]
    assert not RULES.given_up(after(1, 1, 1, 1, 90).failures)
