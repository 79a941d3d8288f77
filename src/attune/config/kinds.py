"""What the value of a setting may be: each kind reads a node, or says what it expected. Here: the kinds of text.

A kind never converts what was written into something else: `5` is no text, `"5"` no number, true no integer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from attune.config.tree import Fault, Node, misfit


class SettingKind(Protocol):
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

    def child(self, name: str) -> SettingKind | None:
        """The kind of the value under key *name*, None where there is none."""
        ...


class Leaf:
    """A kind without keys below it, written as YAML in a variable too."""

    __slots__ = ()
    verbatim = False
    names = ()

    def child(self, name: str) -> SettingKind | None:
        return None


@dataclass(frozen=True, slots=True)
class Text(Leaf):
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
class Flag(Leaf):
    """True or false."""

    expected: str = "true or false"
    example: str = "true"

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        if not isinstance(node.value, bool):
            faults.append(misfit(key, node, self.expected, hint=example_of(key, node, self)))
        return node.value


@dataclass(frozen=True, slots=True)
class Choice(Leaf):
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
class Folder(Leaf):
    """The path of a folder; `~` is not expanded, so it is refused."""

    expected: str = "the path of a folder, without ~"
    example: str = "/var/lib/attune"
    verbatim = True

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        text = Text(self.expected, self.example, r"[^~\x00\n][^\x00\n]*", longest=4095).read(key, node, faults)
        return Path(text) if isinstance(text, str) else None


def example_of(key: str, node: Node, kind: SettingKind) -> str:
    """What to write in the place of *node*, as a hint."""
    if node.from_variable:
        return f"set {node.origin}='{kind.example}'"
    return f"write {key.rpartition('.')[2]}: {kind.example}"
