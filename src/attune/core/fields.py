"""Reading JSON that somebody wrote by hand: every fault is collected with the path of its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from attune.core.errors import Problem, shown


class Fields:
    """One object of a document. Problems and warnings of all its parts end in the same two lists."""

    def __init__(self, value: Mapping[str, Any], path: str, problems: list[Problem], warnings: list[str]) -> None:
        self._value = value
        self.path = path
        self.problems = problems
        self.warnings = warnings

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def refuse(self, key: str, expected: str, got: str) -> None:
        self.problems.append(Problem(self.at(key) if key else self.path, expected, got))

    def raw(self, key: str) -> Any:
        return self._value.get(key)

    def has(self, key: str) -> bool:
        return key in self._value

    def nested(self, value: object, path: str) -> Fields | None:
        """*value* as an object at *path*, or None after noting the problem."""
        if isinstance(value, Mapping):
            return Fields(value, path, self.problems, self.warnings)
        self.problems.append(Problem(path, "an object", shown(value)))
        return None

    def flag(self, key: str) -> bool | None:
        value = self._value.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(key, "true or false", shown(value))
        return None

    def integer(self, key: str, default: int, *, between: tuple[int, int] | None = None) -> int:
        value = self._value.get(key, default)
        wanted = f"an integer from {between[0]} to {between[1]}" if between else "an integer"
        valid = isinstance(value, int) and not isinstance(value, bool)
        if not valid or (between and not between[0] <= value <= between[1]):
            self.refuse(key, wanted, shown(value))
            return default
        return int(value)

    def seconds(self, key: str, limit: float) -> float | None:
        value = self._value.get(key)
        if value is None:
            return None
        valid = isinstance(value, int | float) and not isinstance(value, bool)
        if not valid or not 0 < value <= limit:
            self.refuse(key, f"a number of seconds above 0, up to {limit:g}", shown(value))
            return None
        return float(value)

    def text(self, key: str) -> str | None:
        value = self._value.get(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self.refuse(key, "a text", shown(value))
        return None

    def names(self, key: str) -> tuple[str, ...]:
        """A list of non-empty texts, or () after noting what is wrong."""
        value = self._value.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.refuse(key, "a list of names", shown(value))
            return ()
        for index, item in enumerate(value):
            if not isinstance(item, str) or not item.strip():
                self.problems.append(Problem(f"{self.at(key)}[{index}]", "a name", shown(item)))
                return ()
        return tuple(value)

    def warn_unknown(self, known: Iterable[str]) -> None:
        """Unknown keys are kept and only reported, with the nearest known key."""
        keys = list(known)
        for key in self._value:
            if key not in keys:
                near = get_close_matches(str(key), keys, n=1)
                hint = f", did you mean {near[0]}?" if near else ""
                self.warnings.append(f"{self.at(str(key))}: unknown key{hint}")
