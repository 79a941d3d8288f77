"""What the value of a setting may be: each kind reads a node, or says what it expected.

A kind never converts what was written into something else: `5` is no text, `"5"` no number, true no integer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from attune.core.documents import DocumentNode
from attune.core.durations import duration_text, read_duration
from attune.core.errors import Fault, shown

_CREDENTIALS = re.compile(r"(://)[^/\s'\"]*@|(password\s*=\s*)[^\s&'\"]*", re.IGNORECASE)


class Misfit(NamedTuple):
    """How a value does not fit: None stands for the kind's own `expected`, the value itself and the kind's example."""

    expected: str | None = None
    got: str | None = None
    hint: str | None = None


OTHER = Misfit()
BINARY = r"[^/\x00\n]+|/[^\x00\n]*"
"""The pattern of a command: a bare name or an absolute path."""


class SettingKind:
    """What a value may be. `expected` ends the sentence "expected …"; `example` is a value that fits."""

    __slots__ = ()
    verbatim = False
    """Whether the text of a variable is the value itself, rather than YAML."""

    if TYPE_CHECKING:  # in subclasses these are fields or properties

        @property
        def expected(self) -> str: ...

        @property
        def example(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]:
        """The keys below that have a meaning of their own."""
        return ()

    def child(self, name: str) -> SettingKind | None:
        """The kind of the value under key *name*, None where there is none."""
        return None

    def read(self, key: str, node: DocumentNode, faults: list[Fault]) -> Any:
        """The value of *node*; a misfit is added to *faults*, and what is returned then means nothing."""
        difference = self.misfit(node)
        if difference is None:
            return self.value(node)
        self.refuse(key, node, faults, difference)
        return None

    def refuse(self, key: str, node: DocumentNode, faults: list[Fault], difference: Misfit = OTHER) -> None:
        """Add to *faults* that *node*, at *key*, does not fit."""
        hint = example_of(key, node, self.example) if difference.hint is None else difference.hint
        expected = difference.expected or self.expected
        faults.append(misfit(key, node, expected, got=difference.got, hint=hint or None))

    def misfit(self, node: DocumentNode) -> Misfit | None:
        """How *node* does not fit, None where it does."""
        return None

    def value(self, node: DocumentNode) -> Any:
        """The value of *node*, which fits."""
        return node.value


def example_of(key: str, node: DocumentNode, example: str) -> str:
    """The hint to write *example* in the place of *node*."""
    variable = variable_with(node)
    return f"set {variable}='{example}'" if variable else f"write {key.rpartition('.')[2]}: {example}"


def variable_with(node: DocumentNode) -> str | None:
    """The variable that *node* comes from, None where it comes from the file."""
    return node.position.source if node.position and not node.position.line else None


def misfit(key: str, node: DocumentNode, expected: str, *, got: str | None = None, hint: str | None = None) -> Fault:
    """The fault of *node*, at *key*, being something else than *expected*."""
    return Fault(key, expected, found(node) if got is None else got, node.position, hint)


def found(node: DocumentNode) -> str:
    """The value of *node* for an error: shortened, never with the password of a URL."""
    value = node.value
    if isinstance(value, bool) and node.written.lower() not in ("true", "false"):
        return f"{node.written}, which YAML reads as {shown(value)}"
    if isinstance(value, bool | int | float) or value is None:
        return node.written or shown(value)
    if isinstance(value, str):
        return _CREDENTIALS.sub(lambda match: f"{match[1]}***@" if match[1] else f"{match[2]}***", shown(value))
    return ("a list" if value else "an empty list") if isinstance(value, tuple) else "a section of keys"


@dataclass(frozen=True, slots=True)
class Text(SettingKind):
    """Text that matches *pattern* as a whole, by default one line that is not blank."""

    expected: str = "text"
    example: str = "some text"
    pattern: str = r"[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s][^\x00-\x1f\x7f]*"
    longest: int = 255
    verbatim = True

    def misfit(self, node: DocumentNode) -> Misfit | None:
        value = node.value
        if isinstance(value, bool | int | float):
            return Misfit(hint=f"put it in quotes: '{node.written}'")
        if isinstance(value, str) and len(value) > self.longest:
            return Misfit(f"{self.expected}, at most {self.longest} characters", f"{len(value)} characters", hint="")
        fits = isinstance(value, str) and re.fullmatch(self.pattern, value)
        return None if fits else OTHER


SCHEMA = Text("a name of small letters, digits and _", "attune", r"(?!pg_)[a-z_][a-z0-9_]*", longest=63)


@dataclass(frozen=True, slots=True)
class Folder(Text):
    """The path of a folder; `~` is not expanded, so it is refused."""

    expected: str = "the path of a folder, without ~"
    example: str = "/var/lib/attune"
    pattern: str = r"[^~\x00\n][^\x00\n]*"
    longest: int = 4095

    def value(self, node: DocumentNode) -> Any:
        return Path(node.value)


@dataclass(frozen=True, slots=True)
class User(Text):
    """The name or the number of a user, kept as text."""

    expected: str = "the name or the number of a user"
    example: str = "linuxbrew"
    pattern: str = r"[^\s:,/\x00-\x1f\x7f]+"

    def misfit(self, node: DocumentNode) -> Misfit | None:
        number = isinstance(node.value, int) and not isinstance(node.value, bool) and node.value >= 0
        return None if number else Text.misfit(self, node)

    def value(self, node: DocumentNode) -> Any:
        return str(node.value)


class CommandLine(SettingKind):
    """A command with all its arguments: words with spaces between them, or a list of words."""

    expected = "a command and its arguments, as text or as a list of texts"
    example = "python3 --version"

    def misfit(self, node: DocumentNode) -> Misfit | None:
        words = self.value(node)
        fits = words and all(isinstance(word, str) and "\0" not in word for word in words)
        return None if fits and re.fullmatch(BINARY, words[0]) else OTHER

    def value(self, node: DocumentNode) -> Any:
        if isinstance(node.value, str):
            return tuple(node.value.split())
        return tuple(word.value for word in node.value) if isinstance(node.value, tuple) else ()


class Flag(SettingKind):
    """True or false."""

    expected = "true or false"
    example = "true"

    def misfit(self, node: DocumentNode) -> Misfit | None:
        return None if isinstance(node.value, bool) else OTHER


@dataclass(frozen=True, slots=True)
class Choice(SettingKind):
    """One of some words."""

    options: tuple[str, ...]
    verbatim = True

    @property
    def expected(self) -> str:
        return f"one of {', '.join(self.options)}"

    @property
    def example(self) -> str:
        return self.options[0]

    def misfit(self, node: DocumentNode) -> Misfit | None:
        return None if node.value in self.options else OTHER


@dataclass(frozen=True, slots=True)
class Integer(SettingKind):
    """An integer within bounds."""

    lowest: int
    highest: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.lowest} to {self.highest}"

    @property
    def example(self) -> str:
        return str(self.lowest)

    def misfit(self, node: DocumentNode) -> Misfit | None:
        number = isinstance(node.value, int) and not isinstance(node.value, bool)
        return None if number and self.lowest <= node.value <= self.highest else OTHER


@dataclass(frozen=True, slots=True)
class Duration(SettingKind):
    """A time in seconds within bounds: a number, or text with a unit up to hours, or *days*."""

    lowest: float
    highest: float
    example: str = "10s"
    days: bool = False

    @property
    def expected(self) -> str:
        return f"a duration from {duration_text(self.lowest)} to {duration_text(self.highest)}"

    def misfit(self, node: DocumentNode) -> Misfit | None:
        seconds = self.value(node)
        has_unit = self.days or not str(node.value).endswith("d")
        if seconds is not None and self.lowest <= seconds <= self.highest and has_unit:
            return None
        units = "ms, s, m, h, d" if self.days else "ms, s, m, h"
        return Misfit(f"{self.expected} (a number of seconds, or a number and one of {units})")

    def value(self, node: DocumentNode) -> Any:
        return read_duration(node.value)
