"""The last look before work begins: whether the interpreters that were verified are still there."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from typing import Any

from attune.core.matching.fleet import Node
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement
from attune.core.matching.terms import RuntimeTerm
from attune.core.runtimes.aliases import names_of

_SUSPECT_SECONDS = 30.0
_THEMSELVES = frozenset({"native", "builtin"})  # what runs in them is executed itself


class SuspectRuntimes:
    """Runtimes that work has just found broken: not offered until their check has had time to decide."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._made: tuple[Node, frozenset[str], Node] | None = None

    def add(self, name: str) -> None:
        """Doubt the runtime *name* for a while."""
        self._until[name] = time.monotonic() + _SUSPECT_SECONDS

    def without(self, node: Node | None) -> Node | None:
        """*node* without what is in doubt: the same object as long as nothing has changed."""
        now = time.monotonic()
        doubted = frozenset(name for name, until in self._until.items() if until > now)
        if node is None or not doubted:
            return node
        if self._made is None or self._made[0] is not node or self._made[1] != doubted:
            left = {name: kept for name, kept in node.capabilities.items() if name not in doubted}
            self._made = (node, doubted, replace(node, capabilities=left))
        return self._made[2]


def interpreters_on(requirement: Requirement, node: Node) -> tuple[dict[str, Any], list[str]]:
    """The interpreters for *requirement* and the names of those that are gone; without a path, by name on PATH."""
    placed = match(requirement, [node]).best
    if placed is None:
        return {}, [term.name for term in requirement.terms if term.name in node.capabilities]
    interpreters: dict[str, Any] = {}
    missing = []
    for term in requirement.terms:
        if not isinstance(term, RuntimeTerm) or term.negated or term.name in _THEMSELVES:
            continue
        if term.name not in node.capabilities:  # a label of that name
            continue
        instance = placed.instances.get(term.name)
        path = instance.path if instance and instance.path else _on_path(term.name)
        if path is not None and os.access(path, os.X_OK):
            interpreters[term.name] = {"version": instance.version if instance else None, "path": path}
            if (capability := node.capabilities[term.name]).cached:
                interpreters[term.name]["cached_age_seconds"] = capability.age
        else:
            missing.append(term.name)
    return interpreters, missing


def _on_path(name: str) -> str | None:
    return next((path for command in (name, *names_of(name)) if (path := shutil.which(command))), None)
