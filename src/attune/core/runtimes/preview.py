"""What a change of a definition would do to a fleet: what each node has now, and what a dry-run on it found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from attune.core.runtimes.verdict import Status


class Effect(StrEnum):
    """What becomes of the runtime on one node."""

    GAINS = "gains"
    LOSES = "loses"
    CHANGES = "changes"  # it stays, in another version
    KEEPS = "keeps"
    LACKS = "lacks"  # it is not there, as before
    DECLARED = "declared"  # the node's own settings name it: no definition changes that
    UNDECIDED = "undecided"  # the dry-run could not decide, so the node would keep what it knows
    SILENT = "silent"  # no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewCandidate:
    """A node that would verify the definition, whether it answers, and what it knows now; None: nothing."""

    id: int
    name: str
    role: str
    answers: bool = True
    status: Status | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        if self.status is not None:
            object.__setattr__(self, "status", Status(self.status))


@dataclass(frozen=True, slots=True)
class Forecast:
    """One node: what it has, and what it would have. `verdict` is what it answered, as `verdict_data` has it."""

    node: PreviewCandidate
    effect: Effect
    verdict: Mapping[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class AffectedWork:
    """What uses the runtime today: refs of actions and sensors, and how many unfinished executions in which state."""

    actions: Sequence[str] = ()
    sensors: Sequence[str] = ()
    executions: Mapping[str, int] = field(default_factory=dict)


def forecast(node: PreviewCandidate, answer: Mapping[str, Any] | None) -> Forecast:
    """What *answer*, a node's to a request to check, means for it; None: it did not answer."""
    if answer is None:
        return Forecast(node, Effect.SILENT, error="no answer in time")
    verdict = answer.get("verdict")
    if not isinstance(verdict, Mapping):
        return Forecast(node, Effect.SILENT, error=str(answer.get("error", "an answer without a verdict")))
    if node.status is Status.DECLARED:
        return Forecast(node, Effect.DECLARED, verdict)
    return Forecast(node, _effect(node, Status(verdict["status"]), verdict.get("version")), verdict)


def _effect(node: PreviewCandidate, status: Status, version: str | None) -> Effect:
    if status is Status.UNKNOWN:
        return Effect.UNDECIDED
    before, after = node.status is not None and node.status.offered, status.offered
    if before and after:
        return Effect.KEEPS if node.version == version else Effect.CHANGES
    if after:
        return Effect.GAINS
    return Effect.LOSES if before else Effect.LACKS


def counted(forecasts: Sequence[Forecast]) -> dict[str, int]:
    """How many nodes each effect has; every effect is named."""
    counts = {effect.value: 0 for effect in Effect}
    for forecast in forecasts:
        counts[forecast.effect.value] += 1
    return counts
