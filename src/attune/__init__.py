"""Attune knows what every machine of a fleet can really run, and proves it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attune.composition.embedding import RuntimeDetector, SensorWorkerRegistration, WorkerRegistration, load_fleet
    from attune.composition.report import Report, detect
    from attune.config import Settings, load_settings
    from attune.core.errors import (
        AttuneError,
        ConfigError,
        DatabaseError,
        NameTakenError,
        RequirementError,
        UnmetError,
        UsageError,
        VersionError,
    )
    from attune.core.matching.explain import explain
    from attune.core.matching.explanation import Explanation
    from attune.core.matching.fleet import Capability, CapabilityInstance, Node, NodeStatus
    from attune.core.matching.known_names import KnownNames
    from attune.core.matching.matcher import Candidate, Placement, Refusal, match
    from attune.core.matching.requirement import Preference, Requirement
    from attune.core.matching.survey import Category
    from attune.core.matching.terms import LabelTerm, NumberTerm, RuntimeTerm
    from attune.core.runtimes.constraint import Constraint
    from attune.core.runtimes.runtime import Runtime
    from attune.core.runtimes.verdict import Evidence, Instance, Status, Verdict
    from attune.core.runtimes.version import Version
    from attune.operations.runtimes.detect import Detection
    from attune.operations.runtimes.examine import Examiner

_HOMES = {
    "attune.composition.embedding": "RuntimeDetector SensorWorkerRegistration WorkerRegistration load_fleet",
    "attune.composition.report": "Report detect",
    "attune.config": "Settings load_settings",
    "attune.core.errors": "AttuneError ConfigError DatabaseError NameTakenError "
    "RequirementError UnmetError UsageError VersionError",
    "attune.core.matching.explain": "explain",
    "attune.core.matching.explanation": "Explanation",
    "attune.core.matching.fleet": "Capability CapabilityInstance Node NodeStatus",
    "attune.core.matching.known_names": "KnownNames",
    "attune.core.matching.matcher": "Candidate Placement Refusal match",
    "attune.core.matching.requirement": "Preference Requirement",
    "attune.core.matching.survey": "Category",
    "attune.core.matching.terms": "LabelTerm NumberTerm RuntimeTerm",
    "attune.core.runtimes.constraint": "Constraint",
    "attune.core.runtimes.runtime": "Runtime",
    "attune.core.runtimes.verdict": "Evidence Instance Status Verdict",
    "attune.core.runtimes.version": "Version",
    "attune.operations.runtimes.detect": "Detection",
    "attune.operations.runtimes.examine": "Examiner",
}
# fmt: off
__all__ = (
    "AttuneError", "Candidate", "Capability", "CapabilityInstance", "Category", "ConfigError", "Constraint",
    "DatabaseError", "Detection", "Evidence", "Examiner", "Explanation", "Instance", "KnownNames", "LabelTerm",
    "NameTakenError", "Node", "NodeStatus", "NumberTerm", "Placement", "Preference", "Refusal", "Report",
    "Requirement", "RequirementError", "Runtime", "RuntimeDetector", "RuntimeTerm", "SensorWorkerRegistration",
    "Settings", "Status", "UnmetError", "UsageError", "Verdict", "Version", "VersionError", "WorkerRegistration",
    "detect", "explain", "load_fleet", "load_settings", "match",
)
# fmt: on


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `import attune` alone costs next to nothing."""
    home = next((module for module, names in _HOMES.items() if name in names.split()), None)
    if home is None:
        raise AttributeError(f"module 'attune' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
