"""Look again at runtimes that were verified: cheaply where that is enough, with their commands where it is not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from random import Random

from attune.core.nodes.health import HealthPolicy, RuntimeHealth, Snapshot, Transition, begin, observe, outdated
from attune.core.nodes.health_schedule import CheckSchedule, Slot, after_cheap, after_full, spread
from attune.core.ports.runtimes import SnapshotReader
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.verdict import Verdict
from attune.operations.runtimes.examine import Examiner

# Checks that are due within this part of the interval share a round, so that a node seldom wakes.
_TOGETHER = 0.1
# The first look at what is cached tells soon what is gone; what has not answered by then is looked at once more.
_FIRST_LOOK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class MonitoredRuntime:
    """One runtime that is kept true: its definition as read at start, and what is known of it."""

    definition: Definition
    health: RuntimeHealth
    snapshot: Snapshot
    slot: Slot


@dataclass(frozen=True, slots=True)
class Round:
    """What one round verified in full and changed; `offer_changed` also where a cached verdict is verified now."""

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
        """The state after detection, of what has to be run. What is cached or has changed since is due at once."""
        by_ref = {verdict.ref: verdict for verdict in verdicts}
        wanted = [item for item in definitions if item.ref in by_ref and item.verification.needs_running]
        slots = spread([definition.ref for definition in wanted], self.clock(), self.schedule, self.random)
        snapshots = self.probe.look([_binaries(definition) for definition in wanted])
        now, kept = self.clock(), {}
        for definition, snapshot in zip(wanted, snapshots, strict=True):
            verdict, slot = by_ref[definition.ref], slots[definition.ref]
            slot = replace(slot, full=now) if outdated(verdict, snapshot) else slot
            kept[definition.ref] = MonitoredRuntime(definition, begin(verdict), snapshot, slot)
        return kept

    def changed(self, kept: Mapping[str, MonitoredRuntime]) -> Sequence[str]:
        """Those of *kept*, by ref, whose files are not as they were when they were verified. Starts no process."""
        snapshots = self.probe.look([_binaries(runtime.definition) for runtime in kept.values()])
        states = zip(kept.items(), snapshots, strict=True)
        return [ref for (ref, runtime), snapshot in states if snapshot != runtime.snapshot]

    def doubted(self, runtime: MonitoredRuntime, definition: Definition) -> MonitoredRuntime:
        """*runtime*, found broken by *definition*, which verifies it from now on: one more failure withdraws it."""
        failures = max(runtime.health.failures, self.policy.failures_to_withdraw - 1)
        return replace(runtime, definition=definition, health=replace(runtime.health, failures=failures))

    def next_round(self, kept: Mapping[str, MonitoredRuntime]) -> float | None:
        """The time of the next round by the clock, None if there is nothing to keep."""
        return min((runtime.slot.next for runtime in kept.values()), default=None)

    def round(self, kept: Mapping[str, MonitoredRuntime], suspects: AbstractSet[str] = frozenset()) -> Round:
        """Look at what is due, and at *suspects* in full at once. Blocks."""
        now = self.clock()
        horizon = now + self.schedule.interval * _TOGETHER
        due = [runtime for ref, runtime in kept.items() if ref in suspects or runtime.slot.next <= horizon]
        snapshots = self.probe.look([_binaries(runtime.definition) for runtime in due])
        after = dict(kept)
        full: list[tuple[MonitoredRuntime, Snapshot]] = []
        for runtime, snapshot in zip(due, snapshots, strict=True):
            ref = runtime.definition.ref
            if snapshot != runtime.snapshot or ref in suspects or runtime.slot.full <= horizon:
                full.append((runtime, snapshot))
            else:
                after[ref] = replace(runtime, slot=after_cheap(runtime.slot, now, self.schedule, self.random))
        return self._verify(after, full) if full else Round(after)

    def _verify(self, after: dict[str, MonitoredRuntime], full: Sequence[tuple[MonitoredRuntime, Snapshot]]) -> Round:
        """Run the commands of *full*, in one call: what is gone costs no process."""
        definitions = [runtime.definition for runtime, _ in full]
        first = any(_is_first_look(runtime.health) for runtime, _ in full)
        deadline = min(self.deadline_seconds, _FIRST_LOOK_SECONDS) if first else self.deadline_seconds
        verdicts = self.examiner.examine(definitions, deadline_seconds=deadline)
        now = self.clock()
        transitions = []
        offer_changed = False
        for (runtime, snapshot), verdict in zip(full, verdicts, strict=True):
            health, transition = observe(runtime.health, verdict, now, self.policy, gone=snapshot.gone)
            slot = after_full(health, now, self.schedule, self.random)
            if health.undecided and _is_first_look(runtime.health):
                slot = replace(slot, full=now)
            after[verdict.ref] = MonitoredRuntime(runtime.definition, health, snapshot, slot)
            transitions += [transition] if transition else []
            offer_changed = offer_changed or _offer(health) != _offer(runtime.health)
        return Round(after, tuple(verdict.ref for verdict in verdicts), tuple(transitions), offer_changed)


def _binaries(definition: Definition) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check.binary for check in definition.verification.checks))


def _is_first_look(health: RuntimeHealth) -> bool:
    return health.shown.is_cached and not health.undecided


def _offer(health: RuntimeHealth) -> tuple[object, ...]:
    shown = health.shown
    return (shown.status, shown.is_cached, *((instance.version, instance.path) for instance in shown.instances))
