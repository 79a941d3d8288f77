"""YAML files of other parts (definitions, packs) as plain JSON values, read as strictly as the settings file."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from attune.config.document import read_document
from attune.config.files import decoded, read_text
from attune.config.tree import Fault, Node, refuse
from attune.core.errors import ConfigError
from attune.core.positions import Mistake


def read_data(path: Path) -> Any:
    """What the YAML file at *path* says. Raises `ConfigError` with file, line and column."""
    name = path.name
    text = read_text(path, str(path))
    if text is None:
        raise ConfigError(f"{path}: expected a file, got nothing")
    faults: list[Fault] = []
    node = read_document(text, name, faults)
    if faults:
        raise refuse(faults)
    return _plain(node)


def located(content: bytes, name: str, mistakes: list[Mistake]) -> Node | None:
    """The YAML *content* of the file *name* with the place of every value; None where it cannot be read at all."""
    faults: list[Fault] = []
    try:
        node = read_document(decoded(content, name), name, faults)
    except ConfigError as error:
        mistakes.append(_mistake(str(error), name))
        return None
    mistakes += [Mistake(fault.origin, fault.text) for fault in faults]
    mistakes += [Mistake(one.origin, f"expected a number that JSON has, got {one.written}") for one in _endless(node)]
    return node


def _endless(node: Node) -> Iterator[Node]:
    """The numbers of YAML that JSON lacks."""
    if isinstance(node.value, float) and not isfinite(node.value):
        yield node
    elif isinstance(node.value, tuple | dict):
        for below in node.value.values() if isinstance(node.value, dict) else node.value:
            yield from _endless(below)


def _mistake(sentence: str, name: str) -> Mistake:
    """`name: expected …, got … (name:12:3)` as a mistake at line 12."""
    text, _, place = sentence.removeprefix(f"{name}: ").rpartition(" (")
    if text and place.startswith(f"{name}:"):
        return Mistake(place.removesuffix(")"), text)
    return Mistake(name, sentence.removeprefix(f"{name}: "))


def _plain(node: Node) -> Any:
    if isinstance(node.value, tuple):
        return [_plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: _plain(item) for key, item in node.value.items()}
    return node.value
