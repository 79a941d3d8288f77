"""Every error that Attune raises on purpose.

Each message is one sentence that says what was expected, what was found and where; `hint` says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN = 80
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
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in head)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a value somebody wrote."""

    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, got {self.got}"


class AttuneError(Exception):
    """The root of Attune's errors. `exit_code` is what a command that fails with it exits with."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(AttuneError):
    """The caller asked for something that cannot be: an unknown name, contradicting options."""

    exit_code = 2


class InUseError(UsageError):
    """Something cannot go because others need it; the message names them."""


class ConfigError(AttuneError):
    """A setting (file or environment) is wrong; the message names the key or the variable."""

    exit_code = 2


class DefinitionError(AttuneError):
    """A runtime definition is malformed; `problems` holds every fault found, in document order."""

    exit_code = 2

    def __init__(self, ref: str, problems: Iterable[Problem]) -> None:
        self.ref = ref
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class VersionError(AttuneError):
    """A version or a version constraint cannot be read. `position` is the 0-based offset of the fault."""

    exit_code = 2

    def __init__(self, message: str, *, text: str = "", position: int = 0) -> None:
        super().__init__(message)
        self.text = text
        self.position = position


class RequirementError(AttuneError):
    """A requirement or preference cannot be read.

    `position` is the 0-based offset of the fault in `text`, `suggestion` what was probably meant (None if nothing is
    near). `caret` is the two-line form for people.
    """

    exit_code = 2

    def __init__(self, text: str, position: int, expected: str, got: str, *, suggestion: str | None = None) -> None:
        self.text = text
        self.position = position
        self.expected = expected
        self.got = got
        self.suggestion = suggestion if suggestion and suggestion.isprintable() else None
        brief = text if len(text) <= 60 else f"{text[:60]}…"
        message = f"requirement {brief!r}: expected {expected} at offset {position}, got {got}"
        super().__init__(message, hint=self.suggestion)

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


class DatabaseError(AttuneError):
    """The database cannot be reached, is not migrated, or refused what was asked."""


class NameTakenError(AttuneError):
    """Another live node of the same role holds the name."""


class ApiError(AttuneError):
    """The API cannot be reached, does not let the caller in, or answered what no Attune would."""
