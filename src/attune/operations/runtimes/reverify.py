"""Look again at runtimes that were verified: cheaply where that is enough, with their commands where it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from random import Random

from attune.core.nodes.health import (
    HealthPolicy,
    RuntimeHealth,
    Snapshot,
    SnapshotChange,
    Transition,
    begin,
    compare,
    observe,
    outdated,
)
from attune.core.nodes.health_schedule import CheckSchedule, Slot, after_cheap, after_full, spread
from attune.core.ports.runtimes import SnapshotReader
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.verdict import Verdict
from attune.operations.runtimes.examine import Examiner

# Checks that are due within this part of the interval share a round, so that a node seldom wakes.
_TOGETHER = 0.1


@dataclass(frozen=True, slots=True)
class MonitoredRuntime:
    """One runtime that is kept true: its definition as read at start, and what is known of it."""

    definition: Definition
    health: RuntimeHealth
    snapshot: Snapshot
    slot: Slot


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to. `checked` were verified in full.

    `offer_changed`: other versions, another status, or what was cached is verified.
    """

    kept: Mapping[str, MonitoredRuntime]
    checked: tuple[str, ...] = ()
    transitions: tuple[Transition, ...] = ()
    offer_changed: bool = False


@dataclass(frozen=True, slots=True)
class Reverifier:
    """Keeps runtimes true, a round at a time. *clock* gives seconds and only goes forward."""

    examiner: Examiner
    probe: SnapshotReader
    clock: Callable[[], float]
    policy: HealthPolicy = field(default_factory=HealthPolicy)
    schedule: CheckSchedule = field(default_factory=CheckSchedule)
    random: Random = field(default_factory=Random)
    deadline_seconds: float = 60.0

    def begin(self, definitions: Iterable[Definition], verdicts: Iterable[Verdict]) -> dict[str, MonitoredRuntime]:
        """The state after detection. Definitions that nothing has to be run for are left out.

        What is cached, and what has changed since detection looked at it, is due at once.
        """
        found = {verdict.ref: verdict for verdict in verdicts}
        wanted = [one for one in definitions if one.ref in found and one.verification.needs_running]
        slots = spread([one.ref for one in wanted], self.clock(), self.schedule, self.random)
        snapshots = self.probe.look([_binaries(one) for one in wanted])
        now = self.clock()
        for one, snapshot in zip(wanted, snapshots, strict=True):
            if outdated(found[one.ref], snapshot):
                slots[one.ref] = replace(slots[one.ref], full=now)
        return {
            one.ref: MonitoredRuntime(one, begin(found[one.ref]), snapshot, slots[one.ref])
            for one, snapshot in zip(wanted, snapshots, strict=True)
        }

    def next_round(self, kept: Mapping[str, MonitoredRuntime]) -> float | None:
        """The time of the next round by the clock, None if there is nothing to keep."""
        return min((one.slot.next for one in kept.values()), default=None)

    def round(
        self, kept: Mapping[str, MonitoredRuntime], suspects: AbstractSet[str] = frozenset(), glance: bool = False
    ) -> Round:
        """Look at what is due; at *suspects* in full at once; with *glance* at everything. Blocks."""
        now = self.clock()
        horizon = now + self.schedule.interval * _TOGETHER
        due = [
            one
            for ref, one in kept.items()
            if glance or ref in suspects or min(one.slot.cheap, one.slot.full) <= horizon
        ]
        snapshots = self.probe.look([_binaries(one.definition) for one in due])
        after = dict(kept)
        full: list[tuple[MonitoredRuntime, Snapshot, bool]] = []
        for one, snapshot in zip(due, snapshots, strict=True):
            change = compare(one.snapshot, snapshot)
            ref = one.definition.ref
            if change is not SnapshotChange.UNCHANGED or ref in suspects or one.slot.full <= horizon:
                full.append((one, snapshot, snapshot.gone))
            else:
                after[ref] = replace(one, slot=after_cheap(one.slot, now, self.schedule, self.random))
        return self._verify(after, full) if full else Round(after)

    def _verify(
        self, after: dict[str, MonitoredRuntime], full: Sequence[tuple[MonitoredRuntime, Snapshot, bool]]
    ) -> Round:
        """Run the commands of *full*, in one call: what is gone costs no process."""
        verdicts = self.examiner.examine([one.definition for one, *_ in full], deadline_seconds=self.deadline_seconds)
        now = self.clock()
        transitions = []
        offer_changed = False
        for (one, snapshot, gone), verdict in zip(full, verdicts, strict=True):
            health, transition = observe(one.health, verdict, now, self.policy, gone=gone)
            slot = after_full(health, now, self.schedule, self.random)
            after[verdict.ref] = MonitoredRuntime(one.definition, health, snapshot, slot)
            transitions += [transition] if transition else []
            offer_changed = offer_changed or _offer(health) != _offer(one.health)
        return Round(after, tuple(one.definition.ref for one, *_ in full), tuple(transitions), offer_changed)


def _binaries(definition: Definition) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check.binary for check in definition.verification.checks))


def _offer(health: RuntimeHealth) -> tuple[object, ...]:
    return (health.shown.status, health.shown.is_cached, *((one.version, one.path) for one in health.shown.instances))
