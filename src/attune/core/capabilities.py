"""What a node stores about itself in `worker.capabilities`: the dict that other programs read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attune.core.selection import Selection
from attune.core.verdict import Status, Verdict


def declared(name: str, source: str) -> Verdict:
    """The verdict on a runtime that somebody named and nobody verified."""
    return Verdict(ref=name, capability=name, name=name, status=Status.DECLARED, reason=f"declared by the {source}")


def offered_names(verdicts: Iterable[Verdict]) -> list[str]:
    """The capability names among *verdicts* that a node offers, in order, each once."""
    return list(dict.fromkeys(verdict.capability for verdict in verdicts if verdict.status.offered))


def versions_by_name(verdicts: Iterable[Verdict]) -> dict[str, list[str]]:
    """Every version found of each offered runtime; names whose version is unknown have an empty list."""
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        if not verdict.status.offered:
            continue
        versions = found.setdefault(verdict.capability, [])
        for instance in verdict.instances:
            if instance.version and instance.version not in versions:
                versions.append(instance.version)
    return found


def build_capabilities(
    selection: Selection, verdicts: Iterable[Verdict], *, version: str, max_concurrent_executions: int
) -> dict[str, Any]:
    """The registered capabilities: the operator's own keys, then what Attune knows (which wins)."""
    verdicts = list(verdicts)
    extras: Mapping[str, Any] = selection.extras
    return {
        "max_concurrent_executions": max_concurrent_executions,
        **extras,
        "runtimes": offered_names(verdicts),
        "runtime_source": selection.source.value,
        "runtime_versions": versions_by_name(verdicts),
        "worker_version": version,
    }
