"""Whether a runtime stays offered after each new look at it. Pure: times are seconds of a clock that goes forward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from attune.core.durations import precise
from attune.core.runtimes.verdict import Evidence, Status, Verdict

_CLOCK_TICK = 0.02  # file systems note times as coarsely as this


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of each file that would prove a runtime, or why it is none; `newest` is their last change (epoch)."""

    files: tuple[object, ...] = ()
    newest: float = field(default=0.0, compare=False)

    @property
    def gone(self) -> bool:
        return all(isinstance(file, str) for file in self.files)


def outdated(verdict: Verdict, snapshot: Snapshot) -> bool:
    """Whether *verdict* must be verified at once: it is cached, or its files have changed since its check began."""
    evidence = verdict.evidence
    if evidence is None:
        return False
    if evidence.cached_age is not None:
        return True
    if evidence.at is None and evidence.exit_code is None:
        return not snapshot.gone  # nothing could be run then
    return snapshot.gone or (evidence.at is not None and snapshot.newest >= evidence.at - _CLOCK_TICK)


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """How much it takes to withdraw and to restore a runtime.

    More than `most_changes` within `window` seconds is flapping: then the runtime must have been good for `hold`
    seconds before it is offered again, twice as long each time that it fails again soon, up to `longest_hold`.
    """

    failures_to_withdraw: int = 2
    successes_to_restore: int = 1
    most_changes: int = 4
    window: float = 600.0
    hold: float = 60.0
    longest_hold: float = 3600.0

    def hold_seconds(self, holds: int) -> float:
        """How long a runtime must be good after it was damped for the *holds*-th time."""
        return min(self.longest_hold, self.hold * 2.0 ** (min(holds, 32) - 1)) if holds else 0.0


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of what a node offers. `at` is when, by the clock that the caller gave."""

    runtime_ref: str
    name: str
    from_status: Status
    to_status: Status
    reason: str
    evidence: Evidence | None = None
    at: float = 0.0


REMOVED = "its definition was removed"


def registered_anew(known: Mapping[str, tuple[str, Status]], verdicts: Sequence[Verdict]) -> list[Transition]:
    """What a node that registers again offers and did not, or does not any more: *known* is name and status by ref.

    Nothing for a node of which nothing is known.
    """
    changes = []
    for verdict in verdicts if known else ():
        name, before = known.get(verdict.ref, (verdict.capability, Status.UNKNOWN))
        if before.offered != verdict.status.offered:
            changes.append(Transition(verdict.ref, name, before, verdict.status, verdict.reason, verdict.evidence))
    refs = {verdict.ref for verdict in verdicts}
    gone = [(ref, name, before) for ref, (name, before) in known.items() if before.offered and ref not in refs]
    return changes + [Transition(ref, name, before, Status.UNAVAILABLE, REMOVED) for ref, name, before in gone]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRecord:
    """A change of what a node offers, as the registry knows it."""

    id: int
    runtime_ref: str
    name: str
    from_status: str
    to_status: str
    reason: str
    evidence: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckedVerdict:
    """What is registered of a runtime after it was looked at again. `at`: when, by the clock of the report."""

    verdict: Verdict
    at: float
    failures: int = 0


@dataclass(frozen=True, slots=True)
class RuntimeHealth:
    """One runtime on one node.

    `shown` is what the node registers: its status is the offered one, its reason and evidence are of the last look.
    `failures`, `successes` and `undecided` count looks in a row; `changes` are the times of recent transitions;
    `holds` says how often it was damped without recovering in between.
    """

    shown: Verdict
    failures: int = 0
    successes: int = 0
    undecided: int = 0
    good_since: float | None = None
    changes: tuple[float, ...] = ()
    holds: int = 0

    @property
    def offered(self) -> bool:
        return self.shown.status.offered

    @property
    def is_good(self) -> bool:
        """Whether it is offered, and its last look found it there."""
        return self.offered and not self.failures and not self.undecided

    @property
    def wavering(self) -> bool:
        """Whether the last look contradicts what is offered, and the next one decides."""
        return self.failures > 0 if self.offered else self.successes > 0


def begin(verdict: Verdict) -> RuntimeHealth:
    """The state after the first verdict."""
    status = verdict.status
    return RuntimeHealth(
        verdict,
        failures=int(not status.offered and status is not Status.UNKNOWN),
        successes=int(status.offered),
        undecided=int(status is Status.UNKNOWN),
    )


Step = tuple[RuntimeHealth, Transition | None]


def observe(health: RuntimeHealth, verdict: Verdict, now: float, policy: HealthPolicy, *, gone: bool = False) -> Step:
    """The state after *verdict*, and the transition of the offer, if any. *gone*: nothing is left, so at once."""
    if verdict.status is Status.UNKNOWN:
        return _after_unknown(health, verdict), None
    if verdict.status.offered:
        return _after_success(health, verdict, now, policy)
    return _after_failure(health, verdict, now, policy, gone)


def _after_unknown(health: RuntimeHealth, verdict: Verdict) -> RuntimeHealth:
    shown = verdict
    if health.shown.status is not Status.UNKNOWN:
        seen = health.shown if health.shown.is_cached else verdict  # what is cached stays so until a check decides
        shown = _with_reason(health.shown, f"the last check could not decide: {verdict.reason}", seen)
    return replace(health, shown=shown, undecided=health.undecided + 1)


def _after_success(health: RuntimeHealth, verdict: Verdict, now: float, policy: HealthPolicy) -> Step:
    since = now if health.good_since is None else health.good_since
    health = replace(health, failures=0, undecided=0, successes=health.successes + 1, good_since=since)
    if health.offered:
        return replace(health, shown=verdict), None
    needed = policy.successes_to_restore
    if health.successes < needed:
        reason = f"{health.successes} of {needed} successes: {verdict.reason}"
        return replace(health, shown=_with_reason(health.shown, reason, verdict)), None
    if now - since < policy.hold_seconds(health.holds):
        reason = f"{_flapping(health, policy)}: {verdict.reason}"
        return replace(health, shown=_with_reason(health.shown, reason, verdict)), None
    changes = (*_recent(health, now, policy), now)
    return replace(health, shown=verdict, changes=changes), _transition(health, verdict, now)


def _after_failure(health: RuntimeHealth, verdict: Verdict, now: float, policy: HealthPolicy, gone: bool) -> Step:
    health = replace(health, failures=health.failures + 1, undecided=0, successes=0, good_since=None)
    needed = policy.failures_to_withdraw
    if health.offered:
        if not gone and not health.shown.is_cached and health.failures < needed:
            reason = f"{health.failures} of {needed} failures: {verdict.reason}"
            return replace(health, shown=_with_reason(health.shown, reason, verdict)), None
        health = _withdrawn(health, now, policy)
    if health.holds:
        verdict = replace(verdict, reason=f"{verdict.reason}; {_flapping(health, policy)}")
    changed = verdict.status is not health.shown.status
    return replace(health, shown=verdict), _transition(health, verdict, now) if changed else None


def _withdrawn(health: RuntimeHealth, now: float, policy: HealthPolicy) -> RuntimeHealth:
    """*health* with this change noted, and damped if there were too many."""
    changes = (*_recent(health, now, policy), now)
    soon = bool(health.changes) and now - health.changes[-1] < _memory(health, policy)
    holds = health.holds + 1 if health.holds and soon else int(len(changes) > policy.most_changes)
    return replace(health, changes=changes, holds=holds)


def _recent(health: RuntimeHealth, now: float, policy: HealthPolicy) -> tuple[float, ...]:
    return tuple(at for at in health.changes if now - at < _memory(health, policy))


def _memory(health: RuntimeHealth, policy: HealthPolicy) -> float:
    """How long changes count: longer for what was held back, or a long hold would outlast its own cause."""
    return policy.window + policy.hold_seconds(health.holds)


def _flapping(health: RuntimeHealth, policy: HealthPolicy) -> str:
    changes = health.changes
    span, hold = precise(changes[-1] - changes[0]), precise(policy.hold_seconds(health.holds))
    return f"flapping: {len(changes)} changes in {span}, held back until it has been good for {hold}"


def _with_reason(shown: Verdict, reason: str, seen: Verdict) -> Verdict:
    return replace(shown, reason=reason, evidence=seen.evidence, duration_ms=seen.duration_ms)


def _transition(health: RuntimeHealth, verdict: Verdict, now: float) -> Transition:
    """From what *health* shows to *verdict*."""
    before = health.shown.status
    return Transition(verdict.ref, verdict.capability, before, verdict.status, verdict.reason, verdict.evidence, now)
