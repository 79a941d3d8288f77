"""Reads YAML text into a tree of `Node`, bounded and without surprises.

The parser's events are built up here, not by the YAML library's own constructors: depth, size and aliases are
bounded before they cost anything, no tag can make an object, every value keeps its line, and a key that is
written twice is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from attune.config.scalars import scalar
from attune.config.tree import Fault, Node, Value
from attune.core.errors import ConfigError

MAX_DEPTH = 40
MAX_NODES = 10_000

# libyaml is many times faster on large files; the pure Python parser gives the same events.
LOADERS = (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader)

_PLAIN_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_MERGE_KEY = "<<"
_YAML_HINT = "put text with special characters in quotes, and look at the line above too"


def read_document(text: str, name: str, faults: list[Fault], *, lines: bool = True, loader: Any = LOADERS[0]) -> Node:
    """The tree of YAML *text*; *name* says where it comes from, as in `attune.yaml`, followed by the line if *lines*.

    Keys written twice are added to *faults*. Raises `ConfigError` for text that cannot be read at all.
    """
    try:
        text.encode()
        return _Builder(name, lines, faults).build(yaml.parse(text, Loader=loader))
    except UnicodeEncodeError:
        raise ConfigError(f"{name}: expected UTF-8 text, got bytes that are not UTF-8") from None
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, name) from None


def _syntax_error(error: yaml.YAMLError, text: str, name: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ConfigError(f"{name}: expected YAML, got a character that it does not allow", hint=_YAML_HINT)
    place = f"{name}:{mark.line + 1}:{mark.column + 1}"
    line = [*text.split("\n"), ""][mark.line] if mark.line <= text.count("\n") else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return ConfigError(
            f"{name}: expected spaces as indentation, got a tab ({place})", hint="replace the tabs by spaces"
        )
    problem = getattr(error, "problem", None) or "a syntax error"
    return ConfigError(f"{name}: expected valid YAML, got this: {problem} ({place})", hint=_YAML_HINT)


@dataclass(slots=True)
class _Frame:
    """A list or mapping whose end has not been reached."""

    origin: str
    anchor: str | None
    items: list[Node] | None = None
    pairs: dict[str, Node] = field(default_factory=dict)
    merges: list[Node] = field(default_factory=list)
    key: Node | None = None
    size: int = 1


class _Builder:
    """Builds the tree of one document from the parser's events."""

    def __init__(self, name: str, lines: bool, faults: list[Fault]) -> None:
        self._name = name
        self._lines = lines
        self._faults = faults
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}
        self._root: Node | None = None

    def build(self, events: Iterable[yaml.Event]) -> Node:
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    self._keep(event.anchor, self._scalar(event))
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._open(event)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._close()
                case yaml.AliasEvent():
                    self._add(self._alias(event))
                case yaml.DocumentStartEvent() if self._root is not None:
                    raise self._error("one document", "a second one after '---'", event)
        return self._root or Node(None, self._name)

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        self._refuse_tag(event)
        if len(self._frames) >= MAX_DEPTH:
            raise self._error(f"values nested at most {MAX_DEPTH} deep", "deeper ones", event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        items: list[Node] | None = [] if isinstance(event, yaml.SequenceStartEvent) else None
        self._frames.append(_Frame(self._origin(event), event.anchor, items))

    def _close(self) -> None:
        frame = self._frames.pop()
        value: Value = tuple(frame.items) if frame.items is not None else _with_merges(frame)
        self._keep(frame.anchor, Node(value, frame.origin, size=frame.size))

    def _keep(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._add(node)

    def _alias(self, event: yaml.AliasEvent) -> Node:
        if event.anchor not in self._anchors:
            raise self._error("the name of an anchor above", f"*{event.anchor}", event)
        node = self._anchors[event.anchor]
        if node is None:
            raise self._error("a value that does not contain itself", f"*{event.anchor}", event)
        return replace(node, origin=self._origin(event))

    def _add(self, node: Node) -> None:
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        frame.size += node.size
        if frame.size > MAX_NODES:
            raise ConfigError(f"{self._name}: expected at most {MAX_NODES} values, got more ({node.origin})")
        if frame.items is not None:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = self._key(node)
        else:
            key, frame.key = frame.key, None
            self._pair(frame, key, node)

    def _key(self, node: Node) -> Node:
        if isinstance(node.value, str):
            return node
        got = f"{node.written}, which YAML does not read as text" if node.written else "something else"
        raise ConfigError(
            f"{self._name}: expected keys that are text, got {got} ({node.origin})", hint="put the key in quotes"
        )

    def _pair(self, frame: _Frame, key: Node, node: Node) -> None:
        name = str(key.value)
        if name == _MERGE_KEY:
            sources = node.value if isinstance(node.value, tuple) else (node,)
            if not all(isinstance(source.value, dict) for source in sources):
                raise ConfigError(f"{self._name}: expected a section after '<<:', got another value ({key.origin})")
            frame.merges.extend(sources)
        elif name in frame.pairs:
            path = ".".join([*(str(above.key.value) for above in self._frames if above.key), name])
            self._faults.append(
                Fault(
                    f"{path}: expected each key once, got it again after {frame.pairs[name].origin}",
                    key.origin,
                    "keep one of them",
                )
            )
        else:
            frame.pairs[name] = replace(node, origin=key.origin)

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        self._refuse_tag(event)
        if _UNSTORABLE.search(event.value):
            raise self._error("text", "a NUL character or half a surrogate pair in it", event)
        value = scalar(event.value) if event.implicit[0] and event.tag is None else event.value
        return Node(value, self._origin(event), event.value)

    def _refuse_tag(self, event: Any) -> None:
        if event.tag not in _PLAIN_TAGS:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            raise self._error("a plain value", f"the tag {tag}", event)

    def _origin(self, event: yaml.Event) -> str:
        mark = event.start_mark
        return f"{self._name}:{mark.line + 1}" if self._lines and mark else self._name

    def _error(self, expected: str, got: str, event: yaml.Event) -> ConfigError:
        return ConfigError(f"{self._name}: expected {expected}, got {got} ({self._origin(event)})")


def _with_merges(frame: _Frame) -> dict[str, Node]:
    pairs = dict(frame.pairs)
    for source in frame.merges:
        if isinstance(source.value, dict):
            for key, node in source.value.items():
                pairs.setdefault(key, node)
    return pairs
