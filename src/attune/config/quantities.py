"""The kinds of setting that are a number: counts and durations."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from attune.config.kinds import Leaf, example_of
from attune.config.tree import Fault, Node, misfit

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Integer(Leaf):
    """An integer within bounds."""

    lowest: int
    highest: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.lowest} to {self.highest}"

    @property
    def example(self) -> str:
        return str(self.lowest)

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int) or not self.lowest <= value <= self.highest:
            faults.append(misfit(key, node, self.expected, hint=example_of(key, node, self)))
        return value


@dataclass(frozen=True, slots=True)
class Duration(Leaf):
    """A time in seconds within bounds: a number, or text with a unit."""

    lowest: float
    highest: float

    @property
    def expected(self) -> str:
        return f"a duration from {duration_text(self.lowest)} to {duration_text(self.highest)}"

    @property
    def example(self) -> str:
        return "10s"

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        seconds = _seconds(node)
        if seconds is None or not self.lowest <= seconds <= self.highest:
            forms = "a number of seconds, or a number and one of ms, s, m, h"
            faults.append(misfit(key, node, f"{self.expected} ({forms})", hint=example_of(key, node, self)))
        return seconds


def _seconds(node: Node) -> float | None:
    value = node.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) * _UNITS[match[2]] if match else None


def duration_text(seconds: float) -> str:
    """*seconds* in the largest unit that gives a whole number."""
    for unit, size in reversed(_UNITS.items()):
        if seconds >= size and (seconds / size).is_integer():
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"
