from __future__ import annotations

from attune.core.runtimes.command import Command
from attune.host.probing.concurrency import Expectation
from attune.host.probing.queue import CommandQueue, Item

COMPUTES = Expectation(wall_ms=300, cpu_ms=200)
SHORT = Expectation(wall_ms=30, cpu_ms=20)
WAITS = Expectation(wall_ms=10_000, cpu_ms=2)


def item(key: str, expectation: Expectation | None = None) -> Item:
    return Item(key, Command((key,)), f"/bin/{key}", expectation)


def backlog(*items: Item) -> CommandQueue:
    made = CommandQueue()
    for one in items:
        made.push(one)
    return made


def keys(items: list[Item]) -> list[str]:
    return [one.key for one in items]


def test_waiting_ones_come_first_then_unknown_ones_then_the_longest() -> None:
    line = backlog(item("short", SHORT), item("a"), item("long", COMPUTES), item("waits", WAITS), item("b"))

    assert keys(line.take_all()) == ["waits", "a", "b", "long", "short"]
    assert len(line) == 0


def test_without_a_slot_only_waiting_ones_start() -> None:
    line = backlog(item("long", COMPUTES), item("unknown"), item("waits", WAITS))

    assert (first := line.pop(slot=False)) is not None
    assert first.key == "waits"
    assert line.pop(slot=False) is None


def test_postponed_ones_come_back_once_marked() -> None:
    line = backlog()
    line.postpone(item("a"))

    assert line.pop(slot=True) is None
    assert len(line) == 1
    line.resume()
    assert (again := line.pop(slot=True)) is not None
    assert again.retried


def test_check_that_shared_the_processor_with_thirty_others_still_computes() -> None:
    assert not Expectation(wall_ms=3000, cpu_ms=100).waits
    assert Expectation(wall_ms=100, cpu_ms=1).waits
