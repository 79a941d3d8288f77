"""Attune knows what every machine of a fleet can really run, and proves it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attune.composition.embedding import RuntimeDetector as RuntimeDetector
    from attune.composition.embedding import SensorWorkerRegistration as SensorWorkerRegistration
    from attune.composition.embedding import WorkerRegistration as WorkerRegistration
    from attune.composition.embedding import load_fleet as load_fleet
    from attune.config import Settings as Settings
    from attune.config import load_settings as load_settings
    from attune.core.errors import AttuneError as AttuneError
    from attune.core.errors import ConfigError as ConfigError
    from attune.core.errors import DatabaseError as DatabaseError
    from attune.core.errors import NameTakenError as NameTakenError
    from attune.core.errors import RequirementError as RequirementError
    from attune.core.errors import UsageError as UsageError
    from attune.core.errors import VersionError as VersionError
    from attune.core.matching.explain import explain as explain
    from attune.core.matching.explanation import Explanation as Explanation
    from attune.core.matching.fleet import Capability as Capability
    from attune.core.matching.fleet import CapabilityInstance as CapabilityInstance
    from attune.core.matching.fleet import Node as Node
    from attune.core.matching.fleet import NodeStatus as NodeStatus
    from attune.core.matching.known_names import KnownNames as KnownNames
    from attune.core.matching.matcher import Candidate as Candidate
    from attune.core.matching.matcher import Placement as Placement
    from attune.core.matching.matcher import Refusal as Refusal
    from attune.core.matching.matcher import match as match
    from attune.core.matching.requirement import Preference as Preference
    from attune.core.matching.requirement import Requirement as Requirement
    from attune.core.matching.survey import Category as Category
    from attune.core.matching.terms import LabelTerm as LabelTerm
    from attune.core.matching.terms import NumberTerm as NumberTerm
    from attune.core.matching.terms import RuntimeTerm as RuntimeTerm
    from attune.core.runtimes.constraint import Constraint as Constraint
    from attune.core.runtimes.runtime import Runtime as Runtime
    from attune.core.runtimes.verdict import Evidence as Evidence
    from attune.core.runtimes.verdict import Instance as Instance
    from attune.core.runtimes.verdict import Status as Status
    from attune.core.runtimes.verdict import Verdict as Verdict
    from attune.core.runtimes.version import Version as Version
    from attune.operations.runtimes.detect import Detection as Detection
    from attune.operations.runtimes.examine import Examiner as Examiner

_HOMES = {
    "attune.composition.embedding": "RuntimeDetector SensorWorkerRegistration WorkerRegistration load_fleet",
    "attune.config": "Settings load_settings",
    "attune.core.errors": "AttuneError ConfigError DatabaseError NameTakenError "
    "RequirementError UsageError VersionError",
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
__all__ = tuple(sorted(name for names in _HOMES.values() for name in names.split()))


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `import attune` alone costs next to nothing."""
    home = next((module for module, names in _HOMES.items() if name in names.split()), None)
    if home is None:
        raise AttributeError(f"module 'attune' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
