"""Sections of settings: the dataclasses that hold settings, read as a kind, and the keys that they do not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from attune.config.kinds import SettingKind
from attune.config.tree import misfit, variable_with
from attune.core.documents import DocumentNode
from attune.core.errors import Fault

PREFIX = "ATTUNE__"
_RENAMED = {
    "detection.allowed_binaries": "host.allowed_binaries",
    "detection.trusted_paths": "host.allowed_paths",
    "detection.environment": "host.environment",
}


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
class SettingsSection(SettingKind):
    """The settings of a dataclass: those of its fields that `setting` or `section` made."""

    cls: type
    example: str = "its keys, indented, on the following lines"

    @property
    def expected(self) -> str:
        return f"a section with the keys {', '.join(self.names)}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in fields(self.cls) if "kind" in each.metadata)

    def child(self, name: str) -> SettingKind | None:
        return next((each.metadata["kind"] for each in fields(self.cls) if each.name == name and each.metadata), None)

    def read(self, key: str, node: DocumentNode, faults: list[Fault]) -> Any:
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


def unknown_key(within: SettingKind, prefix: str, name: str, node: DocumentNode) -> Fault:
    """The fault of *node* under the key *name*, which *within* (at *prefix*) does not have."""
    path = f"{prefix}.{name}" if prefix else name
    field = path if len(path) <= 100 else f"{path[:100]}…"

    def fault(expected: str, meant: str, hint: str | None = None) -> Fault:
        sentence = f"{'' if field else ': '}unknown key, {meant}"
        return Fault(field, expected, "an unknown key", node.position, hint, sentence)

    def instead(key: str, meant: str) -> Fault:
        return fault(key, meant, f"set {variable_of(key)}" if variable_with(node) else f"write {key}")

    if path in _RENAMED:
        return instead(_RENAMED[path], f"it is called {_RENAMED[path]} now")
    below = [*paths_below(within)]
    if not below:
        return fault("no key", f"{prefix} has no keys below it")
    from difflib import get_close_matches

    known = {key.rpartition(".")[2]: key for key in reversed(below)} | {key: key for key in within.names}
    nearest = get_close_matches(name[:100].lower(), known, n=1)
    if not nearest:
        return fault(f"one of {', '.join(within.names)}", f"expected one of {', '.join(within.names)}")
    meant = ".".join(filter(None, (prefix, known[nearest[0]])))
    return instead(meant, f"did you mean {meant}?")


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
