"""Commands that wait for their turn, in the order in which they should start."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, replace

from attune.core.runtimes.command import Command
from attune.host.probing.concurrency import Expectation


@dataclass(frozen=True, slots=True)
class Item:
    """One command of one line of work, found at `path`. `retried`: the system refused to start it once."""

    key: str
    command: Command
    path: str
    expectation: Expectation | None = None
    retried: bool = False

    @property
    def holds_slot(self) -> bool:
        """Whether it is expected to need a processor."""
        return self.expectation is None or not self.expectation.waits


class CommandQueue:
    """Three lines: those that only wait (start at any time), unknown ones in their order, and the longest first."""

    def __init__(self) -> None:
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Item]] = []
        self._computing: list[tuple[float, int, Item]] = []
        self._unknown: deque[Item] = deque()
        self._postponed: list[Item] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._computing) + len(self._unknown) + len(self._postponed)

    @property
    def unknown(self) -> int:
        """How many there are whose length nobody knows."""
        return len(self._unknown)

    def push(self, item: Item) -> None:
        """Add a command."""
        if item.expectation is None:
            self._unknown.append(item)
            return
        line = self._computing if item.holds_slot else self._waiting
        heapq.heappush(line, (-item.expectation.weight, next(self._order), item))

    def postpone(self, item: Item) -> None:
        """Put aside a command that the system refused to start, until `resume`."""
        self._postponed.append(replace(item, retried=True))

    def resume(self) -> None:
        """Let the postponed ones try again."""
        while self._postponed:
            self.push(self._postponed.pop())

    def pop(self, *, slot: bool) -> Item | None:
        """The next command that may start now; *slot* tells whether one that computes may."""
        if self._waiting:
            return heapq.heappop(self._waiting)[2]
        if self._unknown and slot:
            return self._unknown.popleft()
        if self._computing and slot:
            return heapq.heappop(self._computing)[2]
        return None

    def take_all(self) -> list[Item]:
        """Empty the backlog, in order."""
        self.resume()
        items = []
        while (item := self.pop(slot=True)) is not None:
            items.append(item)
        return items
