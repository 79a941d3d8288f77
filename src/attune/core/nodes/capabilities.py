"""What a node stores about itself in `worker.capabilities`: the dict that other programs read."""

from collections.abc import Iterable
from typing import Any

from attune.core.nodes.labels import labels_of
from attune.core.ports.nodes import Registration
from attune.core.runtimes.selection import Selection
from attune.core.runtimes.verdict import Verdict


def offered_names(verdicts: Iterable[Verdict]) -> list[str]:
    """The capability names among *verdicts* that a node offers, in order, each once."""
    return list(dict.fromkeys(verdict.capability for verdict in verdicts if verdict.status.offered))


def versions_by_name(verdicts: Iterable[Verdict]) -> dict[str, list[str]]:
    """Every version found of each offered runtime; names whose version is unknown have an empty list."""
    by_name: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.status.offered:
            versions = by_name.setdefault(verdict.capability, [])
            new = dict.fromkeys(instance.version for instance in verdict.instances if instance.version)
            versions += [version for version in new if version not in versions]
    return by_name


def build_capabilities(
    selection: Selection, verdicts: Iterable[Verdict], *, version: str, max_concurrent_executions: int
) -> dict[str, Any]:
    """The registered capabilities: the operator's own keys, then what Attune knows (which wins)."""
    verdicts = list(verdicts)
    return {
        "max_concurrent_executions": max_concurrent_executions,
        **selection.extras,
        "runtimes": offered_names(verdicts),
        "runtime_source": selection.source.value,
        "runtime_versions": versions_by_name(verdicts),
        "worker_version": version,
    }


def stored_capabilities(registration: Registration) -> dict[str, Any]:
    """What a registry stores as the capabilities of a node: with its labels and taints, where it has any."""
    stored = dict(registration.capabilities)
    if registration.labels:
        stored["labels"] = labels_of(registration.labels)
    if registration.taints:
        stored["taints"] = sorted(set(registration.taints))
    return stored


def execution_limit(value: object) -> int | None:
    """How many executions *value*, a stored `max_concurrent_executions`, allows at once; None for no limit."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return min(value, 2**31 - 1)
