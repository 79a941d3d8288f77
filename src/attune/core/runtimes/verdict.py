"""What examining a runtime on a host came to: status, reason, instances and evidence, as values."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from attune.core.runtimes.version import Version


class Status(StrEnum):
    """What is known of a runtime on one host."""

    AVAILABLE = "available"  # verified
    DECLARED = "declared"  # named by the environment or the config file, not verified
    ASSUMED = "assumed"  # the definition says that no check is needed
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"  # the check could not decide; never the same as "not there"
    INVALID = "invalid"  # the definition is malformed

    @property
    def offered(self) -> bool:
        """Whether a node offers a runtime in this status."""
        return self in OFFERED


OFFERED = frozenset({Status.AVAILABLE, Status.DECLARED, Status.ASSUMED})


@dataclass(frozen=True, slots=True)
class Instance:
    """One interpreter of a runtime: its version as printed (None where the output showed none) and where it lies."""

    version: str | None = None
    path: str | None = None
    real_path: str | None = None

    @property
    def parsed(self) -> Version | None:
        """The version, read; None where there is none or it cannot be read. Cached by text."""
        return Version.read(self.version) if self.version else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was run and what it said.

    `duration_ms` is wall time; `at` is the host's clock in seconds since the epoch, for people only (the
    database keeps its own times); `cached_age` is in seconds, None for a check that ran just now. `smoke`: the command
    that has started the interpreter for real, empty where none has.
    """

    command: tuple[str, ...]
    exit_code: int | None
    output: str
    duration_ms: float = 0.0
    at: float | None = None
    cached_age: float | None = None
    smoke: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a runtime is there, and why. `reason` is one sentence, shown alike everywhere.

    `kept` is why it stays although it was not found again. `refuted`: the host's policy or the smoke check says no.
    """

    ref: str
    capability: str
    status: Status
    reason: str
    name: str = ""
    instances: tuple[Instance, ...] = ()
    evidence: Evidence | None = None
    duration_ms: float = 0.0
    warnings: tuple[str, ...] = ()
    kept: str = ""
    refuted: bool = False

    @property
    def is_cached(self) -> bool:
        """Whether an earlier check is its only proof, and nothing has been run since."""
        return self.evidence is not None and self.evidence.cached_age is not None

    @property
    def version(self) -> str | None:
        """The version of the first instance, as printed."""
        return self.instances[0].version if self.instances else None

    @property
    def path(self) -> str | None:
        """The path of the first instance."""
        return self.instances[0].path if self.instances else None


def evidence_data(evidence: Evidence | None) -> dict[str, Any] | None:
    """*evidence* as JSON has it everywhere."""
    if evidence is None:
        return None
    return {
        "command": list(evidence.command),
        "exit_code": evidence.exit_code,
        "output": evidence.output,
        "duration_ms": round(evidence.duration_ms, 3),
        "at": evidence.at,
        "cached": evidence.cached_age is not None,
        "cached_age_seconds": None if evidence.cached_age is None else round(evidence.cached_age, 1),
        "smoke": list(evidence.smoke),
    }


def verdict_data(verdict: Verdict) -> dict[str, Any]:
    """One verdict as JSON has it everywhere: on the command line, over the API and between nodes."""
    return {
        "ref": verdict.ref,
        "name": verdict.capability,
        "status": verdict.status.value,
        "version": verdict.version,
        "path": verdict.path,
        "reason": verdict.reason,
        "duration_ms": round(verdict.duration_ms, 3),
        "instances": [asdict(instance) for instance in verdict.instances],
        "evidence": evidence_data(verdict.evidence),
        "warnings": list(verdict.warnings),
    }
