"""Commands that wait for their turn, in the order in which they start."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from attune.core.runtimes.command import Command


@dataclass(frozen=True, slots=True)
class Item:
    """One command of one line of work, found at `path`. `retried`: the system refused to start it once."""

    key: str
    command: Command
    path: str
    retried: bool = False


class CommandQueue:
    """First in, first out; those that the system refused to start wait apart until `resume`."""

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._postponed: list[Item] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._postponed)

    def push(self, item: Item) -> None:
        """Add a command."""
        self._waiting.append(item)

    def postpone(self, item: Item) -> None:
        """Put aside a command that the system refused to start, until `resume`."""
        self._postponed.append(replace(item, retried=True))

    def resume(self) -> None:
        """Let the postponed ones try again."""
        while self._postponed:
            self.push(self._postponed.pop())

    def pop(self) -> Item | None:
        """The next command, None if none may start now."""
        return self._waiting.popleft() if self._waiting else None

    def take_all(self) -> list[Item]:
        """Empty the queue, in order."""
        self.resume()
        items = list(self._waiting)
        self._waiting.clear()
        return items
