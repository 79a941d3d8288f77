"""Attune knows what every machine of a fleet can really run, and proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attune.composition.embedding import RuntimeDetector, SensorWorkerRegistration, WorkerRegistration
    from attune.config import Settings, load_settings
    from attune.core.errors import AttuneError
    from attune.core.matching.explain import explain
    from attune.core.matching.explanation import Explanation
    from attune.core.matching.fleet import Node
    from attune.core.matching.matcher import Placement, match
    from attune.core.matching.requirement import Preference, Requirement
    from attune.core.runtimes.runtime import Runtime
    from attune.core.runtimes.verdict import Status, Verdict

_HOMES = {
    "AttuneError": "attune.core.errors",
    "Explanation": "attune.core.matching.explanation",
    "Node": "attune.core.matching.fleet",
    "Placement": "attune.core.matching.matcher",
    "Preference": "attune.core.matching.requirement",
    "Requirement": "attune.core.matching.requirement",
    "Runtime": "attune.core.runtimes.runtime",
    "RuntimeDetector": "attune.composition.embedding",
    "SensorWorkerRegistration": "attune.composition.embedding",
    "Settings": "attune.config",
    "Status": "attune.core.runtimes.verdict",
    "Verdict": "attune.core.runtimes.verdict",
    "WorkerRegistration": "attune.composition.embedding",
    "explain": "attune.core.matching.explain",
    "load_settings": "attune.config",
    "match": "attune.core.matching.matcher",
}
__all__ = [
    "AttuneError",
    "Explanation",
    "Node",
    "Placement",
    "Preference",
    "Requirement",
    "Runtime",
    "RuntimeDetector",
    "SensorWorkerRegistration",
    "Settings",
    "Status",
    "Verdict",
    "WorkerRegistration",
    "explain",
    "load_settings",
    "match",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `import attune` alone costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'attune' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
