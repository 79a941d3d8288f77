"""Hand-written documents, in JSON or YAML: values that know their position, and objects that collect every fault."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from attune.core.durations import read_duration
from attune.core.errors import Fault, SourcePosition, shown
from attune.core.runtimes.aliases import nearest

E = TypeVar("E", bound=StrEnum)
Path: TypeAlias = "tuple[str | int, ...]"

_LONGEST = 200
_DEEPEST = 20
_TYPING_ERROR = 0.75  # as alike as `lable` and `label` are
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class DocumentNode:
    """A value of a document: a scalar, a tuple of nodes or a dict of nodes, and where it is written.

    `written` is a scalar as it stands there, without its quotes; `size` counts the nodes from here down.
    """

    value: Any
    position: SourcePosition | None = None
    written: str = ""
    size: int = 1

    def position_of(self, path: Iterable[str | int]) -> SourcePosition | None:
        """Where *path* below this node is written, or the last part of it that is."""
        node = self
        for step in path:
            inner = dict(enumerate(node.value)) if isinstance(node.value, tuple) else node.value
            if not isinstance(inner, Mapping) or not isinstance(below := inner.get(step), DocumentNode):
                break
            node = below
        return node.position


def node_of(value: Any, depth: int = 0, position: SourcePosition | None = None) -> DocumentNode:
    """The JSON *value* as a node, all of it at *position*. Deeper than anything is read, values stay as they are."""
    if depth < _DEEPEST and isinstance(value, Mapping):
        return DocumentNode({key: node_of(below, depth + 1, position) for key, below in value.items()}, position)
    if depth < _DEEPEST and isinstance(value, list):
        return DocumentNode(tuple(node_of(below, depth + 1, position) for below in value), position)
    return DocumentNode(value, position)


def plain(node: Any) -> Any:
    """The JSON value of *node*."""
    if not isinstance(node, DocumentNode):
        return node
    if isinstance(node.value, Mapping):
        return {key: plain(below) for key, below in node.value.items()}
    return [plain(below) for below in node.value] if isinstance(node.value, tuple) else node.value


def dotted(root: str, path: Iterable[str | int]) -> str:
    """*path* below *root* as people write it: `files[0].name`."""
    text = root
    for step in path:
        text = f"{text}[{step}]" if isinstance(step, int) else f"{text}.{step}" if text else step
    return text


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """*faults*, by file and line, each once."""
    nowhere = SourcePosition("")
    places = {fault: fault.position or nowhere for fault in faults}
    return sorted(places, key=lambda fault: (places[fault].source, places[fault].line))


class Section:
    """One object of a document. What is wrong with it is added to `faults`, what is only odd to `warnings`."""

    def __init__(self, node: DocumentNode, path: str, faults: list[Fault], warnings: list[str] | None = None) -> None:
        self.path = path
        self.faults = faults
        self.warnings: list[str] = [] if warnings is None else warnings
        self.position = node.position
        self._values: Mapping[str, DocumentNode] = node.value if isinstance(node.value, Mapping) else {}
        self._asked: set[str] = set()

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def node(self, key: str) -> DocumentNode | None:
        """What stands under *key*; null counts as not written."""
        self._asked.add(key)
        node = self._values.get(key)
        return None if node is None or node.value is None else node

    def refuse(
        self, key: str, expected: str, got: str | None = None, *, position: SourcePosition | None = None
    ) -> None:
        """Note that *expected* is not what stands under *key*."""
        node = self._values.get(key)
        if got is None:
            got = "nothing" if node is None else shown(plain(node))
        where = position or (self.position if node is None else node.position)
        self.faults.append(Fault(self.at(key), expected, got, where))

    def refuse_node(self, path: str, node: DocumentNode, expected: str, got: str | None = None) -> None:
        """Note that *node*, at *path* from the root of the document, is not what was expected."""
        self.faults.append(Fault(path, expected, shown(plain(node)) if got is None else got, node.position))

    def text(
        self, key: str, expected: str = "a text", *, required: bool = False, pattern: str = "", longest: int = _LONGEST
    ) -> str | None:
        """A text that is not blank; *pattern* must match all of it."""
        node = self.node(key)
        if node is None:
            if required:
                self.refuse(key, expected)
            return None
        value = node.value
        if not isinstance(value, str):
            quotes = ", which needs quotes" if isinstance(value, int | float) else ""
            self.refuse(key, expected, f"{shown(plain(node))}{quotes}")
        elif len(value) > longest:
            self.refuse(key, f"{expected} of at most {longest} characters", f"{len(value)} characters")
        elif not value.strip() or _CONTROL.search(value) or (pattern and not re.fullmatch(pattern, value)):
            self.refuse(key, expected)
        else:
            return value
        return None

    def flag(self, key: str, default: bool = False) -> bool:
        node = self.node(key)
        if node is not None and not isinstance(node.value, bool):
            self.refuse(key, "true or false")
        return node.value if node is not None and isinstance(node.value, bool) else default

    def integer(
        self, key: str, default: int, bounds: tuple[int, int] | None = None, *, what: str = "an integer"
    ) -> int:
        """An integer, within *bounds* if these are given."""
        node = self.node(key)
        value = default if node is None else node.value
        inside = isinstance(value, int) and not isinstance(value, bool)
        if not inside or (bounds is not None and not bounds[0] <= value <= bounds[1]):
            self.refuse(key, what if bounds is None else f"{what} from {bounds[0]} to {bounds[1]}")
            return default
        return int(value)

    def seconds(self, key: str, lowest: float, highest: float, expected: str = "") -> float | None:
        """Seconds: a number, or text with a unit, which may only be left out where *expected* is not given."""
        node = self.node(key)
        seconds = None if node is None else read_duration(node.value, bare=not expected)
        if node is None or (seconds is not None and lowest <= seconds <= highest):
            return seconds
        self.refuse(key, expected or f"a time from {lowest:g} to {highest:g} seconds, such as 30 or '5m'")
        return None

    def choice(self, key: str, options: type[E], default: E) -> E:
        node = self.node(key)
        words = [option.value for option in options]
        if node is not None and node.value not in words:
            self.refuse(key, f"one of {', '.join(words)}")
            return default
        return default if node is None else options(node.value)

    def items(self, key: str, expected: str) -> Iterator[tuple[str, DocumentNode]]:
        """The nodes of a list, each with its path."""
        node = self.node(key)
        if node is not None and not isinstance(node.value, tuple):
            self.refuse(key, expected)
        elif node is not None:
            yield from ((f"{self.at(key)}[{index}]", item) for index, item in enumerate(node.value))

    def text_nodes(
        self, key: str, expected: str = "a list of texts", item: str = "a text"
    ) -> list[tuple[str, DocumentNode]]:
        """The texts of a list as nodes, each with its path."""
        texts = []
        for path, node in self.items(key, expected):
            if isinstance(node.value, str) and node.value.strip() and "\0" not in node.value:
                texts.append((path, node))
            else:
                self.refuse_node(path, node, item)
        return texts

    def texts(self, key: str, expected: str = "a list of texts", item: str = "a text") -> tuple[str, ...]:
        """The texts of a list."""
        return tuple(node.value for _, node in self.text_nodes(key, expected, item))

    def section(self, path: str, node: DocumentNode, expected: str = "an object") -> "Section | None":
        """*node*, at *path*, as an object, or None after noting that it is none."""
        if isinstance(node.value, Mapping):
            return Section(node, path, self.faults, self.warnings)
        self.refuse_node(path, node, expected)
        return None

    def object_node(self, key: str) -> DocumentNode:
        """What stands under *key*, an empty object in the place of anything else."""
        node = self.node(key)
        if node is not None and isinstance(node.value, Mapping):
            return node
        return DocumentNode({}, self.position if node is None else node.position)

    def mapping(self, key: str) -> dict[str, Any]:
        """An object as plain values, {} where nothing is written."""
        node = self.node(key)
        if node is not None and not isinstance(node.value, Mapping):
            self.refuse(key, "an object")
        return dict(plain(self.object_node(key)))

    def only(self, keys: Sequence[str]) -> None:
        """Refuse every key other than *keys*."""
        for key in self._values:
            if key not in keys:
                self.refuse(str(key), f"one of {', '.join(keys)}", "an unknown key")

    def finish(self, also: Sequence[str] = ()) -> None:
        """Tell of every key that nobody has asked for; refuse what is nearly one of those, or of *also*."""
        for key, node in self._unknown():
            near = nearest(key, [*sorted(self._asked), *also], _TYPING_ERROR)
            said = f"unknown key, did you mean {self.at(near)}?" if near else "unknown key, ignored"
            self.faults.append(Fault(self.at(key), near or "", "", node.position, sentence=said, harmless=not near))

    def warn_unknown(self) -> None:
        """Warn of every key that nobody has asked for."""
        for key, _ in self._unknown():
            near = nearest(key, sorted(self._asked))
            self.warnings.append(f"{self.at(key)}: unknown key{f', did you mean {near}?' if near else ''}")

    def _unknown(self) -> Iterator[tuple[str, DocumentNode]]:
        """The keys that nobody has asked for."""
        return ((str(key), node) for key, node in self._values.items() if key not in self._asked)
