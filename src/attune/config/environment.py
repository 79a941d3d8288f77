"""The only reader of the process's environment."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

from attune.config.kinds import SettingKind
from attune.config.sections import PREFIX, unknown_key
from attune.core.documents import DocumentNode
from attune.core.errors import Fault, SourcePosition

# Variables with a name of their own for a setting; one with the prefix wins over them.
_NAMED = {
    "DATABASE_URL": ("database", "url"),
    "ATTUNE_DATA_DIR": ("data_dir",),
    "ATTUNE_URL": ("api", "url"),
    "ATTUNE_TOKEN": ("api", "token"),
}


def process_environment() -> dict[str, str]:
    """A copy of the process's environment."""
    return dict(os.environ)


def variable(name: str) -> str | None:
    """The text of variable *name* as it is now, unread; None if it is not set."""
    return os.environ.get(name)


def overrides(environ: Mapping[str, str], root: SettingKind, faults: list[Fault]) -> DocumentNode:
    """The settings that *environ* gives, as one tree. An empty variable counts as not set."""
    tree = DocumentNode({}, SourcePosition("the environment"))
    for variable, path in sorted(_assignments(environ), key=_precedence):
        kind = _kind_at(root, path, variable, faults)
        if kind is not None:
            node = _read(variable, environ[variable], kind, faults)
            for key in reversed(path):
                node = DocumentNode({key: node}, SourcePosition(variable))
            tree = merged(tree, node)
    return tree


def merged(base: DocumentNode, over: DocumentNode) -> DocumentNode:
    """*base* with the keys of *over* laid over it.

    A value that is no section stays when keys below it are overridden: it is a fault, and is reported as one.
    """
    if not isinstance(over.value, dict) or base.value is None:
        return over
    if not isinstance(base.value, dict):
        return base
    values = dict(base.value)
    for key, node in over.value.items():
        values[key] = merged(values[key], node) if key in values else node
    return replace(base, value=values)


def _assignments(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for variable, text in environ.items():
        if not text.strip():
            continue
        if variable in _NAMED:
            yield variable, _NAMED[variable]
        elif variable.startswith(PREFIX):
            yield variable, tuple(variable.removeprefix(PREFIX).lower().split("__"))


def _precedence(assignment: tuple[str, tuple[str, ...]]) -> tuple[bool, int, str]:
    """Later wins: a variable with the prefix over one without, a single key over the section it is in."""
    variable, path = assignment
    return variable not in _NAMED, len(path), variable


def _kind_at(root: SettingKind, path: tuple[str, ...], variable: str, faults: list[Fault]) -> SettingKind | None:
    kind = root
    for depth, key in enumerate(path):
        child = kind.child(key)
        if child is None:
            faults.append(unknown_key(kind, ".".join(path[:depth]), key, DocumentNode(None, SourcePosition(variable))))
            return None
        kind = child
    return kind


def _read(variable: str, text: str, kind: SettingKind, faults: list[Fault]) -> DocumentNode:
    if kind.verbatim:
        return DocumentNode(text, SourcePosition(variable), text)
    from attune.config.document import read_document  # YAML is imported only where something is written in it

    return read_document(text, variable, faults, lines=False)
