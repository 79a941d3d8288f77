from __future__ import annotations

from attune.core.runtimes.command import Command
from attune.host.probing.queue import CommandQueue, Item


def item(key: str) -> Item:
    return Item(key, Command((key,)), f"/bin/{key}")


def test_first_in_first_out() -> None:
    queue = CommandQueue()
    for key in "abc":
        queue.push(item(key))

    assert (first := queue.pop()) is not None
    assert first.key == "a"
    assert [waiting.key for waiting in queue.take_all()] == ["b", "c"]
    assert len(queue) == 0


def test_postponed_ones_come_back_once_marked() -> None:
    queue = CommandQueue()
    queue.postpone(item("a"))

    assert queue.pop() is None
    assert len(queue) == 1
    queue.resume()
    assert (again := queue.pop()) is not None
    assert again.retried
