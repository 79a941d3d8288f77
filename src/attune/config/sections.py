"""Sections of settings: the dataclasses that hold settings, read as a kind, and the keys that they do not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from attune.config.kinds import SettingKind
from attune.config.tree import Fault, Node, misfit

PREFIX = "ATTUNE__"


def setting(kind: SettingKind, default: Any, meaning: str, *, secret: bool = False) -> Any:
    """A dataclass field that is a setting. The `repr` of what it belongs to leaves a *secret* out."""
    metadata = {"kind": kind, "meaning": meaning}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


def section(cls: type) -> Any:
    """A dataclass field that is a section of settings, with the defaults of *cls*."""
    return field(default_factory=cls, metadata={"kind": SettingsSection(cls)})


@dataclass(frozen=True, slots=True)
class SettingsSection:
    """The settings of a dataclass: those of its fields that `setting` or `section` made."""

    cls: type
    example: str = "its keys, indented, on the following lines"
    verbatim = False

    @property
    def expected(self) -> str:
        return f"a section with the keys {', '.join(self.names)}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in fields(self.cls) if "kind" in one.metadata)

    def child(self, name: str) -> SettingKind | None:
        return next((one.metadata["kind"] for one in fields(self.cls) if one.name == name and one.metadata), None)

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        if not isinstance(node.value, dict):
            faults.append(misfit(key, node, self.expected))
            return None
        values = {}
        for name, below in node.value.items():
            path = f"{key}.{name}" if key else name
            kind = self.child(name)
            if kind is None:
                faults.append(unknown_key(self, key, name, below))
            elif below.value is not None:
                values[name] = kind.read(path, below, faults)
        return self.cls(**values)


def unknown_key(within: SettingKind, prefix: str, name: str, node: Node) -> Fault:
    """The fault of *node* under the key *name*, which *within* (at *prefix*) does not have."""
    path = f"{prefix}.{name}" if prefix else name
    shown = path if len(path) <= 100 else f"{path[:100]}…"
    below = [*paths_below(within)]
    if not below:
        return Fault(f"{shown}: unknown key, {prefix} has no keys below it", node.origin)
    from difflib import get_close_matches

    known = {key.rpartition(".")[2]: key for key in reversed(below)} | {key: key for key in within.names}
    nearest = get_close_matches(name[:100].lower(), known, n=1)
    if not nearest:
        return Fault(f"{shown}: unknown key, expected one of {', '.join(within.names)}", node.origin)
    meant = ".".join(filter(None, (prefix, known[nearest[0]])))
    hint = f"set {variable_of(meant)}" if node.from_variable else f"write {meant}"
    return Fault(f"{shown}: unknown key, did you mean {meant}?", node.origin, hint)


def variable_of(key: str) -> str:
    """The variable that overrides the setting *key*."""
    return PREFIX + key.upper().replace(".", "__")


def paths_below(kind: SettingKind) -> Iterator[str]:
    """The dotted keys of all settings below *kind*, in order."""
    for name in kind.names:
        child = kind.child(name)
        if child is not None:
            yield name
            yield from (f"{name}.{path}" for path in paths_below(child))
