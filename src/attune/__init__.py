"""Attune knows what every machine of a fleet can really run, and proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attune.agent.detector import RuntimeDetector
    from attune.agent.registration import SensorWorkerRegistration, WorkerRegistration
    from attune.config import Settings, load_settings
    from attune.core.errors import AttuneError
    from attune.core.runtime import Runtime
    from attune.core.verdict import Status, Verdict

_HOMES = {
    "AttuneError": "attune.core.errors",
    "Runtime": "attune.core.runtime",
    "RuntimeDetector": "attune.agent.detector",
    "SensorWorkerRegistration": "attune.agent.registration",
    "Settings": "attune.config",
    "Status": "attune.core.verdict",
    "Verdict": "attune.core.verdict",
    "WorkerRegistration": "attune.agent.registration",
    "load_settings": "attune.config",
}
__all__ = [
    "AttuneError",
    "Runtime",
    "RuntimeDetector",
    "SensorWorkerRegistration",
    "Settings",
    "Status",
    "Verdict",
    "WorkerRegistration",
    "load_settings",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `import attune` alone costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'attune' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
