"""Values that know where somebody wrote them, and objects of such values, read with every fault collected."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from attune.core.errors import UsageError, shown
from attune.core.json_schema import dotted
from attune.core.runtimes.aliases import nearest

E = TypeVar("E", bound=StrEnum)
_LONGEST = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Located(Protocol):
    """A value of a document: a scalar, a tuple of these or a mapping to these. `origin` is `actions/a.yaml:12`."""

    @property
    def value(self) -> Any: ...

    @property
    def origin(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with a file somebody wrote: where, and the sentence."""

    origin: str
    text: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.text}"

    @property
    def order(self) -> tuple[str, int]:
        """By file, then by line."""
        file, _, line = self.origin.partition(":")
        number = line.partition(":")[0]
        return file, int(number) if number.isdigit() else 0


def plain(node: Located) -> Any:
    """The JSON value of *node*."""
    if isinstance(node.value, Mapping):
        return {key: plain(below) for key, below in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(below) for below in node.value]
    return node.value


def origin_of(node: Located, path: Iterable[str | int]) -> str:
    """Where *path* below *node* is written, or the last part of it that is."""
    for step in path:
        value = node.value
        if isinstance(value, tuple):
            if not isinstance(step, int) or step >= len(value):
                break
            node = value[step]
        elif isinstance(value, Mapping) and step in value:
            node = value[step]
        else:
            break
    return node.origin


class Section:
    """One object of a document. What is wrong with it ends in `mistakes`, with file and line."""

    def __init__(self, node: Located, path: str, mistakes: list[Mistake]) -> None:
        self.origin = node.origin
        self.path = path
        self.mistakes = mistakes
        self._values: Mapping[str, Located] = node.value if isinstance(node.value, Mapping) else {}
        self._asked: set[str] = set()

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def node(self, key: str) -> Located | None:
        """What stands under *key*; null counts as not written."""
        self._asked.add(key)
        node = self._values.get(key)
        return None if node is None or node.value is None else node

    def refuse(self, key: str, expected: str, got: str, *, origin: str | None = None) -> None:
        node = self._values.get(key)
        where = origin or (self.origin if node is None else node.origin)
        self.mistakes.append(Mistake(where, f"{self.at(key)}: expected {expected}, got {got}"))

    def _refuse_value(self, key: str, expected: str) -> None:
        node = self._values.get(key)
        got = "nothing" if node is None else shown(plain(node))
        self.refuse(key, expected, got)

    def text(
        self, key: str, expected: str = "a text", *, required: bool = False, pattern: str = "", longest: int = _LONGEST
    ) -> str | None:
        """A text that is not blank; *pattern* must match all of it."""
        node = self.node(key)
        if node is None:
            if required:
                self._refuse_value(key, expected)
            return None
        value = node.value
        if not isinstance(value, str):
            quote = ", which needs quotes" if isinstance(value, int | float) else ""
            self.refuse(key, expected, f"{shown(plain(node))}{quote}")
        elif len(value) > longest:
            self.refuse(key, f"{expected} of at most {longest} characters", f"{len(value)} characters")
        elif not value.strip() or _CONTROL.search(value) or (pattern and not re.fullmatch(pattern, value)):
            self.refuse(key, expected, shown(value))
        else:
            return value
        return None

    def flag(self, key: str, default: bool) -> bool:
        node = self.node(key)
        if node is None:
            return default
        if not isinstance(node.value, bool):
            self._refuse_value(key, "true or false")
            return default
        return node.value

    def whole(self, key: str, default: int, highest: int) -> int:
        """A whole number from 0."""
        node = self.node(key)
        value = default if node is None else node.value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
            self._refuse_value(key, f"a whole number from 0 to {highest}")
            return default
        return value

    def seconds(self, key: str, *, lowest: float, highest: float) -> float | None:
        """Seconds: a number, or text with a unit."""
        from attune.core.durations import seconds_of

        node = self.node(key)
        if node is None:
            return None
        value = node.value
        try:
            found = seconds_of(value) if isinstance(value, str) else value
        except UsageError:
            found = None
        number = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
        if not number or not lowest <= float(found or 0) <= highest:
            self._refuse_value(key, f"a time from {lowest:g} to {highest:g} seconds, such as 30 or '5m'")
            return None
        return float(found or 0)

    def choice(self, key: str, options: type[E], default: E) -> E:
        node = self.node(key)
        if node is None:
            return default
        words = [one.value for one in options]
        if node.value not in words:
            self._refuse_value(key, f"one of {', '.join(words)}")
            return default
        return options(node.value)

    def texts(self, key: str, expected: str = "a list of texts") -> tuple[tuple[str, str], ...]:
        """The texts of a list, each with where it is written."""
        node = self.node(key)
        if node is None:
            return ()
        if not isinstance(node.value, tuple):
            self._refuse_value(key, expected)
            return ()
        found = []
        for index, item in enumerate(node.value):
            if isinstance(item.value, str) and item.value.strip() and "\0" not in item.value:
                found.append((item.value, item.origin))
            else:
                self.mistakes.append(
                    Mistake(item.origin, f"{self.at(key)}[{index}]: expected a text, got {shown(plain(item))}")
                )
        return tuple(found)

    def mapping(self, key: str) -> dict[str, Any]:
        """An object as plain values, {} where nothing is written."""
        node = self.node(key)
        if node is None:
            return {}
        if not isinstance(node.value, Mapping):
            self._refuse_value(key, "an object")
            return {}
        value: dict[str, Any] = plain(node)
        return value

    def finish(self) -> None:
        """Refuse every key that nobody has asked for."""
        known = sorted(self._asked)
        for key, node in self._values.items():
            if key in self._asked:
                continue
            near = nearest(key, known)
            meant = f"did you mean {self.at(near)}?" if near else f"expected one of {', '.join(known)}"
            self.mistakes.append(Mistake(node.origin, f"{self.at(key)}: unknown key, {meant}"))


def section_of(node: Located, what: str, mistakes: list[Mistake]) -> Section | None:
    """*node* as an object, or None after noting that it is none."""
    if isinstance(node.value, Mapping):
        return Section(node, "", mistakes)
    mistakes.append(Mistake(node.origin, f"expected {what}, got {shown(plain(node))}"))
    return None


def in_order(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """*mistakes*, by file and line, each once."""
    return sorted(dict.fromkeys(mistakes), key=lambda one: one.order)


def schema_mistakes(node: Located, key: str, schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[Mistake]:
    """What is wrong with the JSON Schema *schema*, which stands in *node* under *key*; *path* leads from it there."""
    from attune.core.json_schema import schema_problems

    return [
        Mistake(
            origin_of(node, found.path[len(path) :]),
            f"{dotted(key, found.path[len(path) :])}: expected {found.expected}, got {found.got}",
        )
        for found in schema_problems(schema)
    ]
