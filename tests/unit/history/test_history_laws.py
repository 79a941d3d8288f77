"""The laws of a history of executions find each fault that is planted in one in which all is well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from execution_history import story_is_right
from history_laws import (
    HistoryEntry,
    RuleLaw,
    Served,
    Snapshot,
    late_faults,
    limit_faults,
    most_running,
    overlap_faults,
    priority_faults,
    snapshot_faults,
)

FINAL = {"completed", "failed"}
RULES = {"check.skips": RuleLaw(skips=True), "check.seldom": RuleLaw(every=2.0)}


def changed(execution: int, at: float, before: str | None, after: str, **columns: object) -> HistoryEntry:
    return replace(
        HistoryEntry(0, "execution", at, execution, before, after, action="check.a", queue="q", priority=5),
        **columns,  # type: ignore[arg-type]
    )


def job(execution: int, at: float, after: str | None, queue: str = "q") -> HistoryEntry:
    return HistoryEntry(0, "job", at, execution, after=after, queue=queue)


def whole(execution: int, offered: float, taken: float, ended: float, **columns: object) -> list[HistoryEntry]:
    """An execution of worker w1 as it should be."""
    queue = str(columns.get("queue", "q"))
    return [
        changed(execution, offered, None, "scheduled", **columns),
        job(execution, offered, "todo", queue),
        job(execution, taken, "doing", queue),
        job(execution, taken + 0.1, None, queue),
        changed(execution, taken + 0.1, "scheduled", "running", **{"worker": "w1", **columns}),
        changed(execution, ended, "running", "completed", **{"worker": "w1", **columns}),
    ]


def story(*parts: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Those that read queues first, then all by their time."""
    reads = [HistoryEntry(0, "reads", 0, worker="w1", queue=queue, after="reads") for queue in ("q", "urgent")]
    limit = HistoryEntry(0, "limit", 0, action="check.a", limit=2)
    entries = sorted((entry for part in parts for entry in part), key=lambda entry: entry.at)
    return [replace(entry, number=number) for number, entry in enumerate([limit, *reads, *entries])]


def test_what_runs_within_its_limit_is_no_fault() -> None:
    entries = story(whole(1, 1, 2, 5), whole(2, 1, 3, 6), whole(3, 1, 5.5, 7))

    assert list(limit_faults(entries)) == []
    assert most_running(entries) == {"check.a": 2}


def test_one_too_many_is_found() -> None:
    entries = story(whole(1, 1, 2, 5), whole(2, 1, 3, 6), whole(3, 1, 4, 7))

    assert list(limit_faults(entries)) == ["execution 3 of check.a began as number 3, its limit is 2"]


def test_what_is_to_be_cancelled_still_runs() -> None:
    one = [*whole(1, 1, 2, 9)[:-1], changed(1, 3, "running", "canceling"), changed(1, 9, "canceling", "cancelled")]

    assert len(list(limit_faults(story(one, whole(2, 1, 3, 6), whole(3, 1, 4, 7))))) == 1


def test_a_limit_that_is_lowered_ends_nothing_but_holds_for_the_next() -> None:
    lowered = [HistoryEntry(0, "limit", 3.5, action="check.a", limit=1)]

    assert list(limit_faults(story(whole(1, 1, 2, 5), whole(2, 1, 3, 6), lowered))) == []
    assert len(list(limit_faults(story(whole(1, 1, 2, 5), whole(2, 1, 3, 6), lowered, whole(3, 1, 5.5, 7))))) == 1


LOW = whole(1, 10, 13, 14, priority=2)
URGENT = {"queue": "urgent", "priority": 8}


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (whole(2, 11, 15, 16, **URGENT), True),
        (whole(2, 12.5, 15, 16, **URGENT), False),  # a worker may not know of it yet
        (whole(2, 11, 13.2, 16, **URGENT), False),  # another worker had it in its hands
        (whole(2, 11, 15, 16, queue="urgent", priority=2), False),
        (whole(2, 11, 15, 16, queue="nobody", priority=8), False),
    ],
)
def test_a_lower_priority_before_one_that_was_takeable(other: list[HistoryEntry], found: bool) -> None:
    assert [*priority_faults(story(LOW, other))] == (
        ["w1 took execution 1 of priority 2 when execution 2 of priority 8 was takeable for 2.0 s"] if found else []
    )


def test_what_was_never_taken_was_takeable_all_the_time() -> None:
    assert len([*priority_faults(story(LOW, whole(2, 11, 15, 16, **URGENT)[:2]))]) == 1


def test_what_was_given_back_is_takeable_again() -> None:
    back = [*whole(2, 1, 2, 3, **URGENT)[:3], job(2, 5, "todo", "urgent")]

    assert len([*priority_faults(story(LOW, back))]) == 1


def test_what_is_old_may_go_before_what_is_urgent() -> None:
    old = whole(1, 10, 40, 41, priority=2)

    assert [*priority_faults(story(old, whole(2, 11, 45, 46, **URGENT)))] == []


def test_what_is_old_is_so_whatever_priority_it_was_given_meanwhile() -> None:
    old = whole(1, 10, 40, 41, priority=2)
    given = [changed(1, 25, "scheduled", "scheduled", priority=2)]

    assert [*priority_faults(story(old, given, whole(2, 11, 45, 46, **URGENT)))] == []


def test_a_priority_counts_from_when_it_was_given() -> None:
    raised = [
        changed(2, 11, None, "scheduled", queue="urgent", priority=2),
        job(2, 11, "todo", "urgent"),
        changed(2, 12.5, "scheduled", "scheduled", queue="urgent", priority=8),
    ]

    assert [*priority_faults(story(LOW, raised))] == []


def test_a_worker_that_ceases_to_read_is_not_asked_for_what_it_leaves() -> None:
    ceased = [HistoryEntry(0, "reads", 14, worker="w1", queue="urgent")]

    assert [*priority_faults(story(LOW, whole(2, 11, 15, 16, **URGENT), ceased))] == []


def of_rule(rule: str, execution: int, at: float, ended: float) -> list[HistoryEntry]:
    return [changed(execution, at, None, "requested", rule=rule), changed(execution, ended, "running", "completed")]


@pytest.mark.parametrize(
    ("rule", "second", "said"),
    [
        ("check.skips", 3.5, []),
        ("check.skips", 2.5, ["rule check.skips asked for execution 2 while 1 had not ended"]),
        ("check.seldom", 3.5, []),
        ("check.seldom", 2.5, ["rule check.seldom asked for execution 2 1.50 s after the one before"]),
        ("check.other", 1.5, []),
    ],
)
def test_a_rule_that_asks_too_soon(rule: str, second: float, said: list[str]) -> None:
    entries = story(of_rule(rule, 1, 1, 3), of_rule(rule, 2, second, 9))

    assert [*overlap_faults(entries, RULES, FINAL)] == said


@pytest.mark.parametrize(
    ("kept", "ran", "said"),
    [
        ({1: Snapshot(1, "a")}, [(1, Snapshot(1, "a"))], None),
        ({1: Snapshot(2, "a")}, [], "is kept as"),
        ({1: Snapshot(1, "b")}, [], "is kept as"),
        ({}, [], "is kept as None"),
        ({1: Snapshot(1, "a")}, [(1, Snapshot(2, "a"))], "ran as"),
        ({1: Snapshot(1, "a")}, [(1, Snapshot(1, "b"))], "ran as"),
    ],
)
def test_what_is_not_as_it_was_asked(
    kept: dict[int, Snapshot], ran: list[tuple[int, Snapshot]], said: str | None
) -> None:
    found = [*snapshot_faults({1: Snapshot(1, "a")}, kept, ran)]

    assert bool(found) == (said is not None)
    assert said is None or said in found[0]


def queue_of(began: Callable[[int], float], limit_action: str = "") -> list[Served]:
    """Ten that were asked for at once, of two seconds each."""
    both = frozenset({"w1", "w2"})
    return [Served(number, 0, began(number), 2, both, limit_action) for number in range(10)]


@pytest.mark.parametrize(
    ("served", "limits", "late"),
    [
        (queue_of(lambda number: number // 2 * 2), {}, []),
        (queue_of(lambda number: (9 - number) // 2 * 2), {}, [0, 1]),  # last in, first out
        (queue_of(lambda number: number * 2, "check.a"), {"check.a": 1}, []),  # no other order is faster
        (queue_of(lambda number: number * 2), {}, [7, 8, 9]),  # one place was left empty
    ],
)
def test_what_waits_longer_than_its_turn(served: list[Served], limits: dict[str, int], late: list[int]) -> None:
    found = [*late_faults(served, {"w1": 1, "w2": 1}, limits, 7.0)]

    assert [int(sentence.split()[1]) for sentence in found] == late


ENDED = [
    changed(1, 2, "scheduled", "running", attempt=1, worker="w1"),
    changed(1, 3, "running", "completed", attempt=1),
]
LOST = [ENDED[0], changed(1, 3, "running", "requested", attempt=1, worker="w1")]


@pytest.mark.parametrize(
    ("story", "runs", "wrong"),
    [
        (ENDED, 1, None),
        (ENDED, 2, "ran 2 times"),
        (ENDED[:1], 1, "ended 0 times"),
        ([*ENDED, ENDED[1]], 1, "ended 2 times"),
        ([*ENDED, changed(1, 4, "completed", "requested", attempt=1)], 1, "went on after its end"),
        ([changed(1, 1, "requested", "completed", attempt=0)], 0, "HistoryEntry"),
        ([*LOST, changed(1, 4, "requested", "running", attempt=1, worker="w1"), ENDED[1]], 1, None),
        ([*LOST, changed(1, 4, "requested", "running", attempt=1, worker="w2"), ENDED[1]], 1, "began on two workers"),
    ],
)
def test_the_story_of_one_execution(story: list[HistoryEntry], runs: int, wrong: str | None) -> None:
    if wrong is None:
        story_is_right(1, story, runs)
    else:
        with pytest.raises(AssertionError, match=wrong):
            story_is_right(1, story, runs)
