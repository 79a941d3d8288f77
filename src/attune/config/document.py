"""Reads YAML, and JSON as part of it, into a tree of `DocumentNode`: built of events, so that no tag makes an object.

Numbers count only in their plain decimal form: `010`, `1_000`, `1:30` and dates stay text. `yes` is true, `no` false.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from attune.config.files import decoded, read_text
from attune.core.documents import DocumentNode
from attune.core.errors import ConfigError, Fault, SourcePosition

MAX_DEPTH = 40
MAX_NODES = 10_000

# libyaml is many times faster on large files; the pure Python parser gives the same events.
LOADERS = (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader)

_PLAIN_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_MERGE_KEY = "<<"
_YAML_HINT = "put text with special characters in quotes, and look at the line above too"


_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,299})")
_DECIMAL = re.compile(
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.IGNORECASE
)


def read_document(
    text: str, name: str, faults: list[Fault], *, lines: bool = True, columns: bool = False, loader: Any = LOADERS[0]
) -> DocumentNode:
    """The tree of YAML *text*; *name* says where it comes from, followed by the line if *lines*, and so on.

    Keys written twice are added to *faults*. Raises `ConfigError` for text that cannot be read at all.
    """
    try:
        text.encode()
        return _Builder(name, lines, columns, faults).build(yaml.parse(text, Loader=loader))
    except UnicodeEncodeError:
        raise ConfigError(field=name, expected="UTF-8 text", got="bytes that are not UTF-8") from None
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, name) from None


def read_file(path: Path) -> DocumentNode:
    """The tree of the YAML file at *path*, with lines and columns. Raises `ConfigError`."""
    text = read_text(path, str(path))
    if text is None:
        raise ConfigError(field=str(path), expected="a file", got="nothing")
    faults: list[Fault] = []
    node = read_document(text, path.name, faults, columns=True)
    if faults:
        raise ConfigError(faults=faults)
    return node


def read_content(content: bytes, name: str, faults: list[Fault]) -> DocumentNode | None:
    """The tree of the YAML *content* of the file *name*; None, and a fault, where it cannot be read at all."""
    try:
        node = read_document(decoded(content, name), name, faults)
    except ConfigError as error:
        faults += [replace(fault, field="", position=fault.position or SourcePosition(name)) for fault in error.faults]
        return None
    faults += [Fault("", "a number that JSON has", number.written, number.position) for number in _endless(node)]
    return node


def _endless(node: DocumentNode) -> Iterator[DocumentNode]:
    """The numbers of YAML that JSON lacks."""
    if isinstance(node.value, float) and not isfinite(node.value):
        yield node
    elif isinstance(node.value, tuple | dict):
        for below in node.value.values() if isinstance(node.value, dict) else node.value:
            yield from _endless(below)


def _syntax_error(error: yaml.YAMLError, text: str, name: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ConfigError(field=name, expected="YAML", got="a character that it does not allow", hint=_YAML_HINT)
    place = SourcePosition(name, mark.line + 1, mark.column + 1, exact=True)
    line = [*text.split("\n"), ""][mark.line] if mark.line <= text.count("\n") else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        hint = "replace the tabs by spaces"
        return ConfigError(field=name, expected="spaces as indentation", got="a tab", position=place, hint=hint)
    problem = getattr(error, "problem", None) or "a syntax error"
    return ConfigError(field=name, expected="valid YAML", got=f"this: {problem}", position=place, hint=_YAML_HINT)


def _scalar(text: str) -> str | int | float | bool | None:
    """What the unquoted *text* stands for."""
    lowered = text.lower()
    if lowered in ("", "~", "null"):
        return None
    if lowered in _BOOLEANS:
        return _BOOLEANS[lowered]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(lowered.replace(".inf", "inf").replace(".nan", "nan"))
    return text


@dataclass(slots=True)
class _Frame:
    """A list or mapping whose end has not been reached."""

    position: SourcePosition
    anchor: str | None
    items: list[DocumentNode] | None = None
    pairs: dict[str, DocumentNode] = field(default_factory=dict)
    merges: list[DocumentNode] = field(default_factory=list)
    key: DocumentNode | None = None
    size: int = 1


class _Builder:
    """Builds the tree of one document from the parser's events."""

    def __init__(self, name: str, lines: bool, columns: bool, faults: list[Fault]) -> None:
        self._name = name
        self._lines = lines
        self._columns = columns
        self._faults = faults
        self._frames: list[_Frame] = []
        self._anchors: dict[str, DocumentNode | None] = {}
        self._root: DocumentNode | None = None

    def build(self, events: Iterable[yaml.Event]) -> DocumentNode:
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
        return self._root or DocumentNode(None, SourcePosition(self._name))

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        self._refuse_tag(event)
        if len(self._frames) >= MAX_DEPTH:
            raise self._error(f"values nested at most {MAX_DEPTH} deep", "deeper ones", event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        items: list[DocumentNode] | None = [] if isinstance(event, yaml.SequenceStartEvent) else None
        self._frames.append(_Frame(self._position(event), event.anchor, items))

    def _close(self) -> None:
        frame = self._frames.pop()
        value = tuple(frame.items) if frame.items is not None else _with_merges(frame)
        self._keep(frame.anchor, DocumentNode(value, frame.position, size=frame.size))

    def _keep(self, anchor: str | None, node: DocumentNode) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._add(node)

    def _alias(self, event: yaml.AliasEvent) -> DocumentNode:
        if event.anchor not in self._anchors:
            raise self._error("the name of an anchor above", f"*{event.anchor}", event)
        node = self._anchors[event.anchor]
        if node is None:
            raise self._error("a value that does not contain itself", f"*{event.anchor}", event)
        return replace(node, position=self._position(event))

    def _add(self, node: DocumentNode) -> None:
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        frame.size += node.size
        if frame.size > MAX_NODES:
            raise self._error(f"at most {MAX_NODES} values", "more", node)
        if frame.items is not None:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = self._key(node)
        else:
            key, frame.key = frame.key, None
            self._pair(frame, key, node)

    def _key(self, node: DocumentNode) -> DocumentNode:
        if isinstance(node.value, str):
            return node
        got = f"{node.written}, which YAML does not read as text" if node.written else "something else"
        raise self._error("keys that are text", got, node, hint="put the key in quotes")

    def _pair(self, frame: _Frame, key: DocumentNode, node: DocumentNode) -> None:
        name = str(key.value)
        if name == _MERGE_KEY:
            sources = node.value if isinstance(node.value, tuple) else (node,)
            if not all(isinstance(source.value, dict) for source in sources):
                raise self._error("a section after '<<:'", "another value", key)
            frame.merges.extend(sources)
        elif name in frame.pairs:
            path = ".".join([*(str(above.key.value) for above in self._frames if above.key), name])
            got = f"it again after {frame.pairs[name].position}"
            self._faults.append(Fault(path, "each key once", got, key.position, "keep one of them"))
        else:
            frame.pairs[name] = replace(node, position=key.position)

    def _scalar(self, event: yaml.ScalarEvent) -> DocumentNode:
        self._refuse_tag(event)
        if _UNSTORABLE.search(event.value):
            raise self._error("text", "a NUL character or half a surrogate pair in it", event)
        value = _scalar(event.value) if event.implicit[0] and event.tag is None else event.value
        return DocumentNode(value, self._position(event), event.value)

    def _refuse_tag(self, event: Any) -> None:
        if event.tag not in _PLAIN_TAGS:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            raise self._error("a plain value", f"the tag {tag}", event)

    def _position(self, event: yaml.Event) -> SourcePosition:
        mark = event.start_mark
        if not (self._lines and mark):
            return SourcePosition(self._name)
        return SourcePosition(self._name, mark.line + 1, mark.column + 1, self._columns)

    def _error(self, expected: str, got: str, at: yaml.Event | DocumentNode, hint: str | None = None) -> ConfigError:
        position = at.position if isinstance(at, DocumentNode) else self._position(at)
        return ConfigError(field=self._name, expected=expected, got=got, position=position, hint=hint)


def _with_merges(frame: _Frame) -> dict[str, DocumentNode]:
    pairs = dict(frame.pairs)
    for source in frame.merges:
        if isinstance(source.value, dict):
            for key, node in source.value.items():
                pairs.setdefault(key, node)
    return pairs
