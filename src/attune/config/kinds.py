"""What the value of a setting may be: each kind reads a node, or says what it expected.

A kind never converts what was written into something else: `5` is no text, `"5"` no number, true no integer.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from attune.config.tree import Fault, Node, found, misfit

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|h)")


class Kind(Protocol):
    """What a value may be. `expected` ends the sentence "expected …"; `example` is a value that fits."""

    @property
    def expected(self) -> str: ...

    @property
    def example(self) -> str: ...

    @property
    def verbatim(self) -> bool:
        """Whether the text of a variable is the value itself, rather than YAML."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The keys below that have a meaning of their own."""
        ...

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        """The value of *node*; a misfit is added to *faults*, and what is returned then means nothing."""
        ...

    def child(self, name: str) -> Kind | None:
        """The kind of the value under key *name*, None where there is none."""
        ...


class _Leaf:
    """A kind without keys below it, written as YAML in a variable too."""

    __slots__ = ()
    verbatim = False
    names = ()

    def child(self, name: str) -> Kind | None:
        return None


@dataclass(frozen=True, slots=True)
class Text(_Leaf):
    """Text that matches *pattern* as a whole, by default one line that is not blank."""

    expected: str = "text"
    example: str = "some text"
    pattern: str = r"[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s][^\x00-\x1f\x7f]*"
    longest: int = 255
    verbatim = True

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        value = node.value
        if isinstance(value, bool | int | float):
            hint = f"put it in quotes: '{node.written}'"
            faults.append(misfit(key, node, self.expected, hint=hint))
        elif not isinstance(value, str):
            faults.append(self._misfit(key, node))
        elif len(value) > self.longest:
            got = f"{len(value)} characters"
            faults.append(misfit(key, node, f"{self.expected}, at most {self.longest} characters", got=got))
        elif not re.fullmatch(self.pattern, value):
            faults.append(self._misfit(key, node))
        return value

    def _misfit(self, key: str, node: Node) -> Fault:
        return misfit(key, node, self.expected, hint=example_of(key, node, self))


@dataclass(frozen=True, slots=True)
class Flag(_Leaf):
    """True or false."""

    expected: str = "true or false"
    example: str = "true"

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        if not isinstance(node.value, bool):
            faults.append(misfit(key, node, self.expected, hint=example_of(key, node, self)))
        return node.value


@dataclass(frozen=True, slots=True)
class Whole(_Leaf):
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
class Duration(_Leaf):
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
        return float(value) if math.isfinite(value) and abs(value) < 1e15 else None
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) * _UNITS[match[2]] if match else None


def duration_text(seconds: float) -> str:
    """*seconds* in the largest unit that gives a whole number."""
    for unit, size in reversed(_UNITS.items()):
        if seconds >= size and (seconds / size).is_integer():
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"


@dataclass(frozen=True, slots=True)
class Choice(_Leaf):
    """One of some words."""

    options: tuple[str, ...]
    verbatim = True

    @property
    def expected(self) -> str:
        return f"one of {', '.join(self.options)}"

    @property
    def example(self) -> str:
        return self.options[0]

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        if node.value not in self.options:
            faults.append(misfit(key, node, self.expected, hint=example_of(key, node, self)))
        return node.value


@dataclass(frozen=True, slots=True)
class Folder(_Leaf):
    """The path of a folder; `~` is not expanded, so it is refused."""

    expected: str = "the path of a folder, without ~"
    example: str = "/var/lib/attune"
    verbatim = True

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        text = Text(self.expected, self.example, r"[^~\x00\n][^\x00\n]*", longest=4095).read(key, node, faults)
        return Path(text) if isinstance(text, str) else None


@dataclass(frozen=True, slots=True)
class ListOf(_Leaf):
    """A list; its faults name the item. A single text is never taken for a list."""

    item: Kind
    expected: str
    longest: int = 1000

    @property
    def example(self) -> str:
        return f"[{self.item.example}]"

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        items = node.value
        if not isinstance(items, tuple):
            faults.append(misfit(key, node, self.expected, hint=self._as_list(key, node)))
            return ()
        if len(items) > self.longest:
            faults.append(misfit(key, node, f"at most {self.longest} items", got=str(len(items))))
            return ()
        return tuple(self.item.read(f"{key}[{index}]", item, faults) for index, item in enumerate(items))

    def _as_list(self, key: str, node: Node) -> str:
        """The hint that a single text, or several with commas between them, is meant as a list."""
        kind: Kind = self
        if isinstance(node.value, str) and re.fullmatch(r"[\w./+-]{1,60}(, ?[\w./+-]{1,60}){0,9}", node.value):
            kind = replace(self, item=Text(example=node.value))
        return example_of(key, node, kind)


@dataclass(frozen=True, slots=True)
class MapOf:
    """Keys of the user's own, all with values of one kind."""

    item: Kind
    expected: str
    example: str
    verbatim = False
    names = ()

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        if not isinstance(node.value, dict):
            faults.append(misfit(key, node, self.expected, hint=example_of(key, node, self)))
            return {}
        return {name: self.item.read(f"{key}.{name}", item, faults) for name, item in node.value.items()}

    def child(self, name: str) -> Kind | None:
        return self.item


@dataclass(frozen=True, slots=True)
class Anything(_Leaf):
    """Whatever JSON can hold."""

    expected: str = "any value"
    example: str = "a value"

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        value = node.value
        if isinstance(value, dict):
            return {name: self.read(f"{key}.{name}", item, faults) for name, item in value.items()}
        if isinstance(value, tuple):
            return [self.read(f"{key}[{index}]", item, faults) for index, item in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            faults.append(misfit(key, node, "a finite number", got=found(node)))
        return value


def example_of(key: str, node: Node, kind: Kind) -> str:
    """What to write in the place of *node*, as a hint."""
    if node.from_variable:
        return f"set {node.origin}='{kind.example}'"
    return f"write {key.rpartition('.')[2]}: {kind.example}"
