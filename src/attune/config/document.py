"""Reads YAML, and JSON as part of it, into a tree of `DocumentNode`: built of events, so that no tag makes an object.

Numbers count only in their plain decimal form: `010`, `1_000`, `1:30` and dates stay text. `yes` is true, `no` false.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
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
_ESCAPE_HINT = r"in double quotes a \ begins an escape: put the text in single quotes, such as '\d+'"
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
        return _Reader(yaml.parse(text, Loader=loader), name, lines, columns, faults).read()
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
    hint = _ESCAPE_HINT if "escape" in problem else _YAML_HINT
    return ConfigError(field=name, expected="valid YAML", got=f"this: {problem}", position=place, hint=hint)


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


class _Reader:
    """Builds the tree of one document from the parser's events."""

    def __init__(
        self, events: Iterator[yaml.Event], name: str, lines: bool, columns: bool, faults: list[Fault]
    ) -> None:
        self._events = events
        self._name = name
        self._lines = lines
        self._columns = columns
        self._faults = faults
        self._anchors: dict[str, DocumentNode | None] = {}

    def read(self) -> DocumentNode:
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self._error("one document", "a second one after '---'", event)
                root = self._node(next(self._events), (), 0)
        return root or DocumentNode(None, SourcePosition(self._name))

    def _node(self, event: Any, path: tuple[str, ...], depth: int) -> DocumentNode:
        """The value that begins with *event*, below the keys *path* and in *depth* lists and sections."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag not in _PLAIN_TAGS:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            raise self._error("a plain value", f"the tag {tag}", event)
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        else:
            if depth >= MAX_DEPTH:
                raise self._error(f"values nested at most {MAX_DEPTH} deep", "deeper ones", event)
            if event.anchor is not None:
                self._anchors[event.anchor] = None
            read = self._list if isinstance(event, yaml.SequenceStartEvent) else self._section
            node = replace(read(path, depth + 1), position=self._position(event))
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _list(self, path: tuple[str, ...], depth: int) -> DocumentNode:
        items: list[DocumentNode] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, path, depth))
            size = self._larger(size, items[-1])
        return DocumentNode(tuple(items), size=size)

    def _section(self, path: tuple[str, ...], depth: int) -> DocumentNode:
        pairs: dict[str, DocumentNode] = {}
        merged: list[DocumentNode] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, path, depth)
            size = self._larger(size, key)
            name = self._key(key)
            node = self._node(next(self._events), (*path, name), depth)
            size = self._larger(size, node)
            if name == _MERGE_KEY:
                merged += node.value if isinstance(node.value, tuple) else (node,)
                if not all(isinstance(source.value, dict) for source in merged):
                    raise self._error("a section after '<<:'", "another value", key)
            elif name in pairs:
                got, field = f"it again after {pairs[name].position}", ".".join((*path, name))
                self._faults.append(Fault(field, "each key once", got, key.position, "keep one of them"))
            else:
                pairs[name] = replace(node, position=key.position)
        for source in merged:
            for name, node in source.value.items():
                pairs.setdefault(name, node)
        return DocumentNode(pairs, size=size)

    def _larger(self, size: int, node: DocumentNode) -> int:
        """*size* with *node*."""
        if size + node.size > MAX_NODES:
            raise self._error(f"at most {MAX_NODES} values", "more", node)
        return size + node.size

    def _alias(self, event: yaml.AliasEvent) -> DocumentNode:
        if event.anchor not in self._anchors:
            raise self._error("the name of an anchor above", f"*{event.anchor}", event)
        node = self._anchors[event.anchor]
        if node is None:
            raise self._error("a value that does not contain itself", f"*{event.anchor}", event)
        return replace(node, position=self._position(event))

    def _key(self, node: DocumentNode) -> str:
        if isinstance(node.value, str):
            return node.value
        got = f"{node.written}, which YAML does not read as text" if node.written else "something else"
        raise self._error("keys that are text", got, node, hint="put the key in quotes")

    def _scalar(self, event: yaml.ScalarEvent) -> DocumentNode:
        if _UNSTORABLE.search(event.value):
            raise self._error("text", "a NUL character or half a surrogate pair in it", event)
        value = _scalar(event.value) if event.implicit[0] and event.tag is None else event.value
        return DocumentNode(value, self._position(event), event.value)

    def _position(self, event: yaml.Event) -> SourcePosition:
        mark = event.start_mark
        if not (self._lines and mark):
            return SourcePosition(self._name)
        return SourcePosition(self._name, mark.line + 1, mark.column + 1, self._columns)

    def _error(self, expected: str, got: str, at: yaml.Event | DocumentNode, hint: str | None = None) -> ConfigError:
        position = at.position if isinstance(at, DocumentNode) else self._position(at)
        return ConfigError(field=self._name, expected=expected, got=got, position=position, hint=hint)
