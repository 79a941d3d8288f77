"""The kinds of setting that hold others: sections (dataclasses of settings), lists, and keys of the user's own."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from attune.config.kinds import Misfit, SettingKind, example_of, misfit, text, variable_with
from attune.core.documents import DocumentNode
from attune.core.errors import Fault
from attune.core.runtimes.aliases import nearest

PREFIX = "ATTUNE__"
_LONGEST = 1000
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


@dataclass(frozen=True, slots=True)
class ListOf(SettingKind):
    """A list; its faults name the item. A single text is never taken for a list."""

    item: SettingKind
    expected: str

    @property
    def example(self) -> str:
        return f"[{self.item.example}]"

    def read(self, key: str, node: DocumentNode, faults: list[Fault]) -> Any:
        items = node.value
        if not isinstance(items, tuple):
            self.refuse(key, node, faults, Misfit(hint=self._as_list(key, node)))
            return ()
        if len(items) > _LONGEST:
            self.refuse(key, node, faults, Misfit(f"at most {_LONGEST} items", str(len(items)), hint=""))
            return ()
        return tuple(self.item.read(f"{key}[{index}]", item, faults) for index, item in enumerate(items))

    def _as_list(self, key: str, node: DocumentNode) -> str:
        """The hint that a single text, or several with commas between them, is meant as a list."""
        text = node.value
        words = isinstance(text, str) and re.fullmatch(r"[\w./+-]{1,60}(, ?[\w./+-]{1,60}){0,9}", text)
        return example_of(key, node, f"[{text}]" if words else self.example)


@dataclass(frozen=True, slots=True)
class MapOf(SettingKind):
    """Keys of the user's own, all with values of one kind."""

    item: SettingKind
    expected: str
    example: str

    def read(self, key: str, node: DocumentNode, faults: list[Fault]) -> Any:
        if not isinstance(node.value, dict):
            self.refuse(key, node, faults)
            return {}
        return {name: self.item.read(f"{key}.{name}", item, faults) for name, item in node.value.items()}

    def child(self, name: str) -> SettingKind | None:
        return self.item


class Anything(SettingKind):
    """Whatever JSON can hold."""

    def read(self, key: str, node: DocumentNode, faults: list[Fault]) -> Any:
        value = node.value
        if isinstance(value, dict):
            return {name: self.read(f"{key}.{name}", item, faults) for name, item in value.items()}
        if isinstance(value, tuple):
            return [self.read(f"{key}[{index}]", item, faults) for index, item in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            faults.append(misfit(key, node, "a finite number"))
        return value


RUNTIME_NAMES = ListOf(text("a name", "python", r"[^\x00]*"), "a list of names")


class Capabilities(SettingKind):
    """What a node says it can do: `runtimes` is a list of names, every other key is kept as it is."""

    expected = "a section of capabilities, in which `runtimes` is a list of names"
    example = "{runtimes: [python, shell]}"
    names = ("runtimes",)

    def child(self, name: str) -> SettingKind | None:
        return RUNTIME_NAMES if name == "runtimes" else Anything()

    def read(self, key: str, node: DocumentNode, faults: list[Fault]) -> Any:
        if not isinstance(node.value, dict):
            self.refuse(key, node, faults)
            return {}
        values = {}
        for name, below in node.value.items():
            if name != "runtimes":
                values[name] = Anything().read(f"{key}.{name}", below, faults)
            elif below.value is not None:
                values[name] = list(RUNTIME_NAMES.read(f"{key}.{name}", below, faults))
        return values


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
    known = {key.rpartition(".")[2]: key for key in reversed(below)} | {key: key for key in within.names}
    near = nearest(name[:100].lower(), known)
    if near is None:
        return fault(f"one of {', '.join(within.names)}", f"expected one of {', '.join(within.names)}")
    meant = ".".join(filter(None, (prefix, known[near])))
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
