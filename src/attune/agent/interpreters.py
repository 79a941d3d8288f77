"""The last look before work begins: the interpreters that this node's verdicts name, and whether they are there."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from attune.core.errors import AttuneError
from attune.core.matching.fleet import Capability, Node
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement
from attune.core.matching.term_judgement import judge
from attune.core.matching.terms import RuntimeTerm
from attune.core.runtimes.verdict import Instance

_THEMSELVES = frozenset({"native", "builtin"})  # what runs in them is executed itself


def interpreters_on(requirement: Requirement, node: Node) -> tuple[dict[str, Any], dict[str, str]]:
    """The interpreters for *requirement* as they are recorded, by name; and the runtimes without one, names by ref."""
    placed = match(requirement, [node]).best
    terms = [term for term in requirement.terms if isinstance(term, RuntimeTerm) and not term.negated]
    interpreters: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for term in terms:
        capability = node.capabilities.get(term.name)
        if capability is None or capability.name in _THEMSELVES:
            continue
        instance = placed.instances.get(term.name) if placed else None
        if placed and instance is None and not capability.status.offered:  # a label of that name
            continue
        sources = _sources(node, capability, instance)
        if instance is None or instance.path is None or not os.access(instance.path, os.X_OK):
            missing |= {source.ref or source.name: source.name for source in sources}
            continue
        name = capability.name if all(other.name != capability.name for other in terms) else term.name
        interpreters[term.name if name in interpreters else name] = _record(sources[0], instance)
    return interpreters, missing


def interpreter_of(ref: str, interpreters: Mapping[str, Any], node: Node) -> str | None:
    """The path of what runs work that is bound to the runtime *ref*, None for work that is executed itself.

    Raises `AttuneError` where *node* does not offer that runtime, whatever others of its name it has.
    """
    for used in interpreters.values():
        if used["ref"] == ref:
            return str(used["path"])
    capability = node.capabilities.get(ref)
    if capability is None or not capability.status.offered:
        raise AttuneError(f"{ref} is not offered by {node.name}")
    if capability.name in _THEMSELVES:
        return None
    instance = judge(RuntimeTerm(ref), node).instance
    if instance is None or instance.path is None:
        raise AttuneError(f"{ref} is {capability.status.value}, and no command for it was found when {node.name} began")
    return instance.path


def _sources(node: Node, capability: Capability, instance: Instance | None) -> list[Capability]:
    """Whose *instance* that is: *capability*, or those that were joined to it."""
    if capability.ref:
        return [capability]
    named = [one for key, one in node.capabilities.items() if key == one.ref and one.name == capability.name]
    return [one for one in named if instance is None or instance in one.instances] or [capability]


def _record(capability: Capability, instance: Instance) -> dict[str, Any]:
    """What an execution keeps of the interpreter that it was given."""
    at = None if capability.checked_at is None else datetime.fromtimestamp(capability.checked_at, UTC)
    record = {
        "ref": capability.ref,
        "name": capability.name,
        "version": instance.version,
        "path": instance.path,
        "real_path": instance.real_path,
        "status": "cached" if capability.cached else capability.status.value,
        "verified_by": capability.evidence or None,
        "verified_at": at and at.isoformat(timespec="milliseconds"),
    }
    return record | ({"cached_age_seconds": capability.age} if capability.cached else {})
