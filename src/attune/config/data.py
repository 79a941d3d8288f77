"""YAML files of other parts (definitions, packs) as plain JSON values, read as strictly as the settings file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attune.config.document import read_document
from attune.config.files import read_text
from attune.config.tree import Fault, Node, refuse
from attune.core.errors import ConfigError


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


def _plain(node: Node) -> Any:
    if isinstance(node.value, tuple):
        return [_plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: _plain(item) for key, item in node.value.items()}
    return node.value
