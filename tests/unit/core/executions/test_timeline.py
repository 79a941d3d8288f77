"""What happened to an execution, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attune.core.executions.timeline import TimelineEntry, timeline_text

BEGAN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def entry(number: int, status: str, attempt: int = 0, worker: str | None = None, reason: str = "") -> TimelineEntry:
    return TimelineEntry(number, BEGAN + timedelta(seconds=number), status, attempt, worker, reason or None)


def words(*entries: TimelineEntry, requirement: str | None = "python >=3.9") -> list[str]:
    return [text for _, text in timeline_text(entries, requirement)]


def test_each_step_is_a_sentence_with_its_reason() -> None:
    assert words(
        entry(1, "requested"),
        entry(2, "requested"),
        entry(3, "scheduled"),
        entry(4, "scheduled", reason="given back by worker w1: the interpreter of python is not there"),
        entry(5, "running", 1, "w2"),
        entry(6, "scheduling", 1, "w2", "worker w2 was lost while it ran"),
        entry(7, "running", 1, "w2"),
        entry(8, "scheduling", 1, "w2", "ended with exit code 3"),
        entry(9, "scheduled", 1, None, "ended with exit code 3"),
        entry(10, "running", 2, "w1"),
        entry(11, "canceling", 2, "w1", "cancelled by an operator"),
        entry(12, "cancelled", 2, "w1", "cancelled by an operator"),
    ) == [
        "asked for",
        "waits for a worker with python >=3.9",
        "offered to workers that can run it",
        "given back by worker w1: the interpreter of python is not there",
        "started on w2",
        "to be tried again: worker w2 was lost while it ran",
        "goes on on w2: it was not lost",
        "to be tried again: ended with exit code 3",
        "offered to workers that can run it",
        "started on w1, attempt 2",
        "asked to end: cancelled by an operator",
        "cancelled: cancelled by an operator",
    ]


def test_what_is_left_out_is_counted_and_needs_nothing_named() -> None:
    left_out = [entry(1, "requested"), entry(10, "requested"), entry(42, "scheduled")]
    assert words(*left_out, requirement="*") == [
        "asked for",
        "… 8 left out …",
        "waits for a worker",
        "… 31 left out …",
        "offered to workers that can run it",
    ]
    assert words() == []
