"""The sensors that are part of Attune, without a clock or files of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attune.core.durations import read_duration
from attune.core.sensors.builtin import parse_builtin
from attune.core.sensors.file_watch import FileChange, FileWatch, changes
from attune.core.sensors.timers import CronTimer, IntervalTimer, TimerFired

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("entrypoint", "config", "says"),
    [
        ("intervall", {}, "entrypoint: expected one of interval, cron, file_watch, got 'intervall'"),
        ("interval", [], "config: expected an object, got []"),
        ("interval", {}, "every: expected a time from 100ms to 366d, such as '5s', got nothing"),
        ("interval", {"every": "soon"}, "got 'soon'"),
        ("interval", {"every": 0.01}, "got 0.01"),
        ("interval", {"every": True}, "got true"),
        ("interval", {"every": "5s", "evry": 1}, "evry: expected one of every, at_start, got an unknown key"),
        ("cron", {}, "cron: expected a cron expression such as '*/5 * * * *' or @daily, got nothing"),
        ("cron", {"cron": "* * *"}, "got '* * *'"),
        ("cron", {"cron": "@reboot"}, "or @daily, got '@reboot'"),
        ("cron", {"cron": "61 * * * *"}, "bad minute"),
        ("cron", {"cron": "0 0 30 2 *"}, "got '0 0 30 2 *'"),
        ("cron", {"cron": "* * * * *", "timezone": "Mars/Olympus"}, "a time zone such as"),
        ("cron", {"cron": "* * * * *", "timezone": "../../etc/passwd"}, "a time zone such as"),
        ("cron", {"cron": "* * * * *", "timezone": 1}, "a time zone such as"),
        ("file_watch", {}, "path: expected an absolute path or pattern"),
        ("file_watch", {"path": "in/*.csv"}, "got 'in/*.csv'"),
        ("file_watch", {"path": "/in", "events": ["made"]}, "events: expected a list of created, changed, removed"),
        ("file_watch", {"path": "/in", "every": "0s"}, "every: expected a time"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused_with_a_sentence(entrypoint: str, config: Any, says: str) -> None:
    builtin, problems = parse_builtin(entrypoint, config)
    assert builtin is None
    assert any(says in str(one) for one in problems), problems


@pytest.mark.parametrize(
    ("unit", "interval", "every"),
    [
        ("seconds", 10, 10),
        ("minute", 2, 120),
        ("Hours", 1, 3600),
        ("day", 0.5, 43_200),
        ("weeks", 1, None),
        ("second", "x", None),
    ],
)
def test_an_interval_as_earlier_installations_wrote_it(unit: str, interval: Any, every: float | None) -> None:
    timer, faults = parse_builtin("core/interval_timer.py", {"unit": unit, "interval": interval})

    assert (getattr(timer, "every", None), len(faults)) == (every, int(every is None))


def test_every_fault_of_a_config_is_told() -> None:
    assert len(parse_builtin("file_watch", {"path": 1, "events": 2, "every": 3e9, "x": 4})[1]) == 4


def test_an_interval_begins_with_its_first_fire_only_where_that_is_asked_for() -> None:
    assert parse_builtin("interval", {"every": "1m", "at_start": True}) == (IntervalTimer(60, at_start=True), [])
    assert parse_builtin("interval", {"every": "1m"}) == (IntervalTimer(60), [])
    _, (fault,) = parse_builtin("interval", {"every": "1m", "at_start": "yes"})
    assert str(fault) == "at_start: expected true or false, got 'yes'"


def test_times_are_read_with_and_without_units() -> None:
    assert [read_duration(one) for one in (5, "5s", "250ms", "1.5 m", "2h", "1d", "5", None, "-1s")] == [
        5, 5, 0.25, 90, 7200, 86_400, None, None, None,
    ]  # fmt: skip


def test_an_interval_fires_in_its_grid_and_once_for_what_was_missed() -> None:
    timer = IntervalTimer(5)
    assert timer.next(NOON) == later(5)
    assert [timer.fire(NOON, later(at)) for at in (4.9, 5, 6, 18)] == [
        None,
        TimerFired(later(5)),
        TimerFired(later(5)),
        TimerFired(later(15), missed=2),
    ]
    assert timer.fire(NOON, NOON - timedelta(days=1)) is None


def test_a_cron_expression_fires_at_its_times_and_once_for_what_was_missed() -> None:
    timer = CronTimer("*/5 * * * *")
    assert timer.next(NOON) == later(300)
    assert [timer.fire(NOON, later(at)) for at in (299.9, 300, 301, 1000)] == [
        None,
        TimerFired(later(300)),
        TimerFired(later(300)),
        TimerFired(later(900), missed=2),
    ]


def test_years_of_missed_times_are_not_counted_out() -> None:
    fire = CronTimer("* * * * *").fire(NOON - timedelta(days=3650), NOON)
    assert fire == TimerFired(NOON, missed=1000)


@pytest.mark.parametrize(
    ("name", "following"),
    [
        ("@hourly", datetime(2026, 3, 4, 11, tzinfo=UTC)),
        ("@daily", datetime(2026, 3, 5, tzinfo=UTC)),
        (" @Midnight", datetime(2026, 3, 5, tzinfo=UTC)),
        ("@weekly", datetime(2026, 3, 8, tzinfo=UTC)),
        ("@monthly", datetime(2026, 4, 1, tzinfo=UTC)),
        ("@yearly", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_names_of_cron_expressions_mean_their_times(name: str, following: datetime) -> None:
    timer, faults = parse_builtin("cron", {"cron": name})
    assert (faults, timer.next(datetime(2026, 3, 4, 10, 17, tzinfo=UTC))) == ([], following)  # type: ignore[union-attr]


def test_a_cron_expression_follows_the_clocks_of_its_time_zone() -> None:
    timer, _ = parse_builtin("cron", {"cron": "0 9 * * *", "timezone": "Europe/Berlin"})
    assert isinstance(timer, CronTimer)
    first = timer.next(NOON)
    assert first is not None
    second = timer.next(first)
    assert second is not None

    assert [one.astimezone(UTC).hour for one in (first, second)] == [7, 7]  # summer time began that night
    assert timer.fire(NOON - timedelta(days=1), NOON) == TimerFired(datetime(2026, 3, 28, 8, tzinfo=UTC))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize("expression", ["*/5 * * * *", "30 2 * * *", "15 1,2 * * *", "0 */3 * * *"])
@pytest.mark.parametrize("change", [datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 10)])
def test_each_time_fires_once_where_clocks_change_and_none_is_due_unfired(
    zone: str, expression: str, change: datetime
) -> None:
    timer, _ = parse_builtin("cron", {"cron": expression, "timezone": zone})
    assert isinstance(timer, CronTimer)
    last, fired, end = change, list[datetime](), change + timedelta(days=31)
    while (due := timer.next(last)) is not None and due <= end:
        assert timer.fire(last, due.astimezone(UTC) - timedelta(milliseconds=1)) is None
        assert timer.fire(last, due) == TimerFired(due)
        assert timer.fire(due, last) is None
        last = due
        fired.append(due.astimezone(UTC))
    assert fired == sorted(set(fired))
    whole = timer.fire(change, end)
    assert whole is not None
    assert (whole.at.astimezone(UTC), whole.missed) == (fired[-1], min(len(fired) - 1, 1000))


def test_a_clock_that_is_set_back_fires_nothing_again_and_one_that_is_set_forward_fires_once() -> None:
    for timer in (IntervalTimer(60), CronTimer("* * * * *")):
        assert timer.fire(later(600), later(0)) is None
        assert timer.next(later(600)) == later(660)
        assert timer.fire(later(0), later(3600)) == TimerFired(later(3600), missed=59)


def test_what_a_timer_fired_is_not_fired_again_by_another_node() -> None:
    timer = CronTimer("0 * * * *")
    fire = timer.fire(later(-10), later(0.2))
    assert fire is not None

    assert timer.fire(fire.at, later(0.1)) is None


def test_changes_of_files_between_two_looks() -> None:
    before = {"/a": (1, 10, 1), "/b": (1, 10, 2), "/c": (1, 10, 3)}
    now = {"/b": (1, 10, 2), "/c": (2, 11, 3), "/d": (2, 5, 4)}

    assert [*changes(before, now)] == [
        FileChange("removed", "/a"),
        FileChange("changed", "/c", 11),
        FileChange("created", "/d", 5),
    ]


def test_a_watch_of_files_has_sensible_defaults() -> None:
    assert parse_builtin("file_watch", {"path": "/in/*.csv"})[0] == FileWatch("/in/*.csv")
