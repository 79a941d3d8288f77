"""In which order checks start and how many run at once.

Measured on two cores: four CPU-bound checks at a time are as fast as more, and the longest should come first. A
check that only waits costs no processor, so it holds no slot. One whose length nobody knows may be one that
waits, so for a moment at the beginning such checks start at a steady pace whatever the slots say.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from attune.core.ports import Command


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an earlier run of the same command cost."""

    wall_ms: float
    cpu_ms: float

    @property
    def waits(self) -> bool:
        """Whether it mostly waited: even one of thirty that share a processor shows a larger part than this."""
        return self.cpu_ms < 0.03 * self.wall_ms

    @property
    def weight(self) -> float:
        """How early it should start; comparable between commands that wait and commands that compute."""
        return self.wall_ms if self.waits else self.cpu_ms


@dataclass(frozen=True, slots=True)
class Pace:
    """The bounds of one runner.

    `slots` are for checks that compute, `most` bounds everything that runs at once. `opening_seconds` is how
    long unknown checks start unconditionally, one every `step_seconds`; after `patience_seconds` a check gives
    its slot up, so that a few endless ones do not hold up the rest.
    """

    slots: int = 4
    most: int = 64
    opening_seconds: float = 0.1
    step_seconds: float = 0.0015
    patience_seconds: float = 0.5


def pace_of_this_machine() -> Pace:
    """Two slots for every processor that this process may use, at least four."""
    return Pace(slots=max(4, 2 * len(os.sched_getaffinity(0))))


Expect = Callable[[Command], Expectation | None]
