"""Errors that Attune raises on purpose: each says what was expected, what was found and where, `hint` what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_SHOWN = 80
_MOST_TRIES = 5
_LEGIBLE = 200


def shown(value: object) -> str:
    """*value* as an error shows it: its JSON-like form, shortened."""
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    if isinstance(value, dict | list) and len(value) > 3:
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    try:
        text = repr(value)
    except RecursionError:
        return "a value nested too deeply"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def legible(text: str, limit: int = _LEGIBLE) -> str:
    """*text* as it can stand in a sentence: on one line, control and invisible characters escaped, shortened."""
    head = text if len(text) <= limit else f"{text[:limit]}…"
    if head.isprintable():
        return head
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in head)


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """A place in what somebody wrote: a file with line and column, counted from 1, or a variable or file as a whole."""

    source: str
    line: int = 0
    column: int = 0
    exact: bool = False
    """Whether people are shown the column too."""

    def __str__(self) -> str:
        if not self.line:
            return self.source
        return f"{self.source}:{self.line}:{self.column}" if self.exact else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in what somebody wrote; `sentence` stands for "expected …, got …" where that differs."""

    field: str
    expected: str
    got: str
    position: SourcePosition | None = None
    hint: str | None = None
    sentence: str | None = None
    harmless: bool = False  # it is told, and stops nothing

    def __str__(self) -> str:
        sentence = self.sentence or f"expected {self.expected}, got {self.got}"
        return f"{self.field}: {sentence}" if self.field else sentence

    @property
    def located(self) -> str:
        """The sentence, with the position behind it where one is known."""
        return f"{self} ({self.position})" if self.position else str(self)


class AttuneError(Exception):
    """The root of Attune's errors. `exit_code` is what a command that fails with it exits with.

    `code` is a stable word for the kind of error, of each class its own. `faults` are what the message is made of;
    `field`, `expected`, `got` and `position` those of the first of them.
    """

    exit_code = 1
    code = "error"
    separator = "; "
    reported = 1000
    position: SourcePosition | int | None

    def __init__(
        self,
        message: str = "",
        *,
        field: str = "",
        expected: str = "",
        got: str = "",
        position: SourcePosition | None = None,
        hint: str | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        self.faults = tuple(faults) or ((Fault(field, expected, got, position),) if expected else ())
        first = self.faults[0] if self.faults else Fault(field, expected, got, position)
        self.field, self.expected, self.got, self.position = first.field, first.expected, first.got, first.position
        self.hint = hint or first.hint
        sentences = [fault.located for fault in self.faults[: self.reported]]
        if len(self.faults) > self.reported:
            sentences.append(f"and {len(self.faults) - self.reported} more")
        super().__init__(message or self.separator.join(sentences))


class UsageError(AttuneError):
    """The caller asked for something that cannot be: an unknown name, contradicting options."""

    exit_code = 2
    code = "usage"


class PlaceError(UsageError):
    """This host has no place to run a program: no working folder, space, descriptor or process is to be had."""

    code = "place"


class InUseError(UsageError):
    """Something cannot go because others need it; the message names them."""

    code = "in_use"


class ConfigError(AttuneError):
    """A setting (file or environment) is wrong; the message has a line for each fault."""

    exit_code = 2
    code = "config"
    separator = "\n"
    reported = 20


class SettingsWarning(UserWarning):
    """Something about the settings that does no harm and is to be known."""


class DefinitionError(AttuneError):
    """A runtime definition is malformed; `faults` holds everything that is wrong, in document order."""

    exit_code = 2
    code = "definition"

    def __init__(self, ref: str, faults: Iterable[Fault]) -> None:
        self.ref = ref
        super().__init__(faults=faults)


class _NotationError(AttuneError):
    """A text cannot be read from the 0-based offset `position` on; *what* says what it was read as."""

    exit_code = 2
    position: int

    def __init__(self, what: str, text: str, position: int, expected: str, got: str, hint: str | None = None) -> None:
        brief = text if len(text) <= 60 else f"{text[:60]}…"
        message = f"{what} {brief!r}: expected {expected} at offset {position}, got {got}"
        super().__init__(message, field=f"offset {position} of {shown(text)}", expected=expected, got=got, hint=hint)
        self.text = text
        self.position = position


class VersionError(_NotationError):
    """A version or a version constraint cannot be read. `position` is the 0-based offset of the fault."""

    code = "version"


class RequirementError(_NotationError):
    """A requirement or preference cannot be read; `suggestion` is what was probably meant, None if nothing is near."""

    code = "requirement"

    def __init__(self, text: str, position: int, expected: str, got: str, *, suggestion: str | None = None) -> None:
        self.suggestion = suggestion if suggestion and suggestion.isprintable() else None
        super().__init__("requirement", text, position, expected, got, hint=self.suggestion)

    @property
    def caret(self) -> str:
        """The text (a window of it if it is long) and, under the fault, a caret with what was expected."""
        begin = max(0, self.position - 40)
        end = max(self.position + 20, begin + 72)
        lead = "…" if begin else ""
        window = "".join(sign if sign.isprintable() else " " for sign in self.text[begin:end])
        tail = "…" if end < len(self.text) else ""
        indent = " " * (len(lead) + self.position - begin)
        return f"{lead}{window}{tail}\n{indent}^ expected {self.expected}, got {self.got}"


class DatabaseFault(StrEnum):
    """What the matter is where the database does not do what was asked: all that writers need to know of it."""

    UNAVAILABLE = "unavailable"  # it takes nothing of this kind now
    CONFLICT = "conflict"  # others were in the way
    REJECTED = "rejected"  # it does not take this


class DatabaseError(AttuneError):
    """The database cannot be reached, is not migrated, or refused what was asked.

    `sqlstate` is empty where no server answered; `row_fault`: the row that was written can never be stored as it is.
    """

    code = "database"

    def __init__(
        self,
        message: str = "",
        *,
        fault: DatabaseFault = DatabaseFault.UNAVAILABLE,
        sqlstate: str = "",
        row_fault: bool = False,
        **fields: Any,
    ) -> None:
        super().__init__(message, **fields)
        self.fault = fault
        self.sqlstate = sqlstate
        self.row_fault = row_fault

    def may_be_of_a_row(self, tries: int) -> bool:
        """Whether a row that was written may be at fault, after *tries* refusals like this one in a row.

        One whose fault is not sure may be set aside only where others are stored in its place.
        """
        return self.row_fault or (self.fault is DatabaseFault.REJECTED and tries >= _MOST_TRIES)


class NameTakenError(AttuneError):
    """Another live node of the same role holds the name."""

    code = "name_taken"


class SupersededError(NameTakenError):
    """The name was taken over by a newer start: this process ends its work and does not claim it again."""

    exit_code = 2
    code = "superseded"


class ApiError(AttuneError):
    """The API cannot be reached, does not let the caller in, or answered what no Attune would."""

    code = "api"


class SecretError(AttuneError):
    """A secret that work was promised cannot be given to it, on whichever node: it is gone, or was tampered with."""

    code = "secret"


class MissingKeyError(AttuneError):
    """This process lacks the key that a secret is, or is to be, encrypted with."""

    code = "missing_key"
