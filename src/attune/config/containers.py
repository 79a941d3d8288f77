"""The kinds of setting that hold others: lists, mappings with the user's own keys, capabilities."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from attune.config.kinds import Misfit, SettingKind, Text, example_of
from attune.config.tree import misfit
from attune.core.documents import DocumentNode
from attune.core.errors import Fault

_LONGEST = 1000


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


RUNTIME_NAMES = ListOf(Text("a name", "python", r"[^\x00]*"), "a list of names")


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
