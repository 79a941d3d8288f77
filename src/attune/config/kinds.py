"""What the value of a setting may be: each kind reads a node, or says what it expected.

A kind never converts what was written into something else: `5` is no text, `"5"` no number, true no integer.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from attune.core.documents import DocumentNode
from attune.core.durations import duration_text, read_duration
from attune.core.errors import Fault, shown

_CREDENTIALS = re.compile(r"(://)[^/\s'\"]*@|(password\s*=\s*)[^\s&'\"]*", re.IGNORECASE)


class Misfit(NamedTuple):
    """How a value does not fit: None stands for the kind's own `expected`, the value itself and the kind's example.

    `more` follows the hint.
    """

    expected: str | None = None
    got: str | None = None
    hint: str | None = None
    more: str = ""


OTHER = Misfit()
BINARY = r"[^/\x00\n]+|/[^\x00\n]*"
"""The pattern of a command: a bare name or an absolute path."""


class SettingKind:
    """What a value may be. `expected` ends the sentence "expected …"; `example` is a value that fits."""

    __slots__ = ()
    if TYPE_CHECKING:  # in subclasses these are fields or properties

        @property
        def expected(self) -> str: ...

        @property
        def example(self) -> str: ...

    @property
    def verbatim(self) -> bool:
        """Whether the text of a variable is the value itself, rather than YAML."""
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """The keys below that have a meaning of their own."""
        return ()

    def child(self, name: str) -> "SettingKind | None":
        """The kind of the value under key *name*, None where there is none."""
        return None

    def read(self, key: str, node: DocumentNode, faults: list[Fault]) -> Any:
        """The value of *node*; a misfit is added to *faults*, and what is returned then means nothing."""
        raise NotImplementedError

    def refuse(self, key: str, node: DocumentNode, faults: list[Fault], difference: Misfit = OTHER) -> None:
        """Add to *faults* that *node*, at *key*, does not fit."""
        hint = example_of(key, node, self.example) if difference.hint is None else difference.hint
        expected = difference.expected or self.expected
        faults.append(misfit(key, node, expected, got=difference.got, hint=hint + difference.more or None))


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
class Scalar(SettingKind):
    """One value. *accept* gives that of a node, or the `Misfit`."""

    expected: str
    example: str
    accept: Callable[[DocumentNode], Any]
    verbatim: bool = False

    def read(self, key: str, node: DocumentNode, faults: list[Fault]) -> Any:
        value = self.accept(node)
        if isinstance(value, Misfit):
            self.refuse(key, node, faults, value)
        return value


_LINE = r"[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s][^\x00-\x1f\x7f]*"


def text(
    expected: str = "text",
    example: str = "some text",
    pattern: str = _LINE,
    longest: int = 255,
    made: Callable[[str], Any] = str,
) -> Scalar:
    """Text that matches *pattern* as a whole, by default one line that is not blank; *made* makes the value of it."""

    def accept(node: DocumentNode) -> Any:
        value = node.value
        if isinstance(value, bool | int | float):
            return Misfit(hint=f"put it in quotes: '{node.written}'")
        if isinstance(value, str) and len(value) > longest:
            return Misfit(f"{expected}, at most {longest} characters", f"{len(value)} characters", hint="")
        return made(value) if isinstance(value, str) and re.fullmatch(pattern, value) else OTHER

    return Scalar(expected, example, accept, verbatim=True)


SCHEMA = text("a name of small letters, digits and _", "attune", r"(?!pg_)[a-z_][a-z0-9_]*", longest=63)


def path(expected: str, example: str, pattern: str) -> Scalar:
    """A path, of which nothing is expanded."""
    return text(expected, example, pattern, 4095, Path)


FOLDER = path("the path of a folder, without ~", "/var/lib/attune", r"[^~\x00\n][^\x00\n]*")
_USER = text("the name or the number of a user", "linuxbrew", r"[^\s:,/\x00-\x1f\x7f]+")
USER = replace(_USER, accept=lambda node: str(node.value) if _is_whole(node.value, 0) else _USER.accept(node))
"""The name or the number of a user, kept as text."""


def _command_line(node: DocumentNode) -> Any:
    written = node.value if isinstance(node.value, str | tuple) else ""
    words = written.split() if isinstance(written, str) else [word.value for word in written]
    fits = words and all(isinstance(word, str) and "\0" not in word for word in words)
    return tuple(words) if fits and re.fullmatch(BINARY, words[0]) else OTHER


COMMAND_LINE = Scalar("a command and its arguments, as text or as a list of texts", "python3 --version", _command_line)
FLAG = Scalar("true or false", "true", lambda node: node.value if isinstance(node.value, bool) else OTHER)


def choice(*options: str) -> Scalar:
    """One of some words."""
    expected = f"one of {', '.join(options)}"
    return Scalar(expected, options[0], lambda node: node.value if node.value in options else OTHER, verbatim=True)


def integer(lowest: int, highest: int) -> Scalar:
    """An integer within bounds."""
    expected = f"a whole number from {lowest} to {highest}"
    return Scalar(expected, str(lowest), lambda node: node.value if _is_whole(node.value, lowest, highest) else OTHER)


def _share(node: DocumentNode) -> Any:
    fits = isinstance(node.value, int | float) and not isinstance(node.value, bool) and 0 <= node.value <= 1
    return node.value if fits else OTHER


SHARE = Scalar("a number from 0 to 1", "0.3", _share)


def _is_whole(value: object, lowest: int, highest: float = inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def duration(lowest: float, highest: float, example: str = "10s", *, days: bool = False) -> Scalar:
    """A time in seconds within bounds: a number, or text with a unit up to hours, or *days*."""
    expected = f"a duration from {duration_text(lowest)} to {duration_text(highest)}"
    units = "ms, s, m, h, d" if days else "ms, s, m, h"

    def accept(node: DocumentNode) -> Any:
        seconds = read_duration(node.value)
        if seconds is not None and lowest <= seconds <= highest and (days or not str(node.value).endswith("d")):
            return seconds
        return Misfit(f"{expected} (a number of seconds, or a number and one of {units})")

    return Scalar(expected, example, accept)
