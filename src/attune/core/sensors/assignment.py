"""Which sensor node runs which sensor. Pure: every node comes to the same answer from the same view.

A node that holds a lease keeps it as long as it lives and can run the sensor: one that has less to do is no reason to
move it, for a sensor sees what its node sees. What nobody holds goes to the able node that runs
the fewest sensors; the next ones in line step in, one after the other, where that one does not act.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from attune.core.errors import RequirementError
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.matcher import match
from attune.core.sensors.sensor import Sensor

_RANK_SECONDS = 1.0  # until the next node in line steps in


class SensorState(StrEnum):
    """How a sensor is."""

    DISABLED = "disabled"
    WAITING = "waiting"  # no node runs it, or what it watches is not there; the reason says which
    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing off"  # it ended, and is started again in a while
    FAILED = "failed"  # it has ended too often in a row, or its config cannot be used


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may run a sensor. Times are seconds by the database's clock.

    `left` until it expires: it is free if that is not above 0, and has been free for that long. `age` since it was
    taken. `epoch` grows with each holder; `output_log` is the id of the file that takes what the sensor prints in it.
    """

    sensor: int
    worker: int | None
    epoch: int
    left: float
    age: float = 0.0
    output_log: UUID | None = None

    @property
    def is_free(self) -> bool:
        return self.left <= 0


@dataclass(frozen=True, slots=True)
class AssignmentView:
    """What all sensor nodes see: the enabled sensors, the nodes, the leases."""

    sensors: Sequence[Sensor] = ()
    nodes: Sequence[Node] = ()
    leases: Mapping[int, Lease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssignmentPlan:
    """What a node does now: leases to take and to give back, with why; `pending`: look again soon."""

    take: tuple[int, ...] = ()
    give_back: Mapping[int, str] = field(default_factory=dict)
    pending: bool = False


def plan(me: int, world: AssignmentView) -> AssignmentPlan:
    """What node *me* takes and gives back, by sensor id."""
    mine = [lease for lease in world.leases.values() if lease.worker == me and not lease.is_free]
    known = {sensor.id: sensor for sensor in world.sensors}
    node = next((candidate for candidate in world.nodes if candidate.id == me), None)
    back = {lease.sensor: reason for lease in mine if (reason := _why_not_keep(known.get(lease.sensor), node))}
    counts = Counter(lease.worker for lease in world.leases.values() if lease.worker and not lease.is_free)
    take, pending = _take(me, world, counts)
    return AssignmentPlan(take, back, pending)


def why_waiting(sensor: Sensor, nodes: Iterable[Node]) -> str:
    """Why no node runs *sensor*: one sentence."""
    fleet = list(nodes)
    try:
        requirement = sensor.requirement
    except RequirementError as error:
        return f"its requirement cannot be read: {error}"
    if not fleet:
        return "no sensor node has registered"
    placement = match(requirement, fleet)
    if placement.eligible:
        return f"{placement.eligible[0].node.name} is about to take it"
    parts = []
    for refusal in placement.others[:3]:
        unmet = [f"{finding.term}: {finding.on(refusal.node)}" for finding in refusal.unmet]
        taints = [f"has the taint {taint}" for taint in refusal.taints]
        parts.append(f"{refusal.node.name} {', '.join([*unmet, *taints]) or f'is {refusal.node.status.value}'}")
    more = len(placement.others) - len(parts)
    return f"no sensor node can run it: {'; '.join(parts)}{f' and {more} more' if more > 0 else ''}"


def _why_not_keep(sensor: Sensor | None, node: Node | None) -> str:
    if sensor is None:
        return "it is disabled or gone"
    if node is None:
        return "the node is not registered"
    if node.status is NodeStatus.DRAINING:
        return f"{node.name} is draining"
    try:
        requirement = sensor.requirement
    except RequirementError as error:
        return f"its requirement cannot be read: {error}"
    # A heartbeat that is late says nothing of a node that renews its leases.
    placement = match(requirement, [replace(node, status=NodeStatus.ACTIVE, running=0)])
    if placement.eligible:
        return ""
    unmet = [f"{finding.term}: {finding.on(node)}" for finding in placement.others[0].unmet]
    return f"{node.name} cannot run it any more: {', '.join(unmet) or 'a taint'}"


def _take(me: int, world: AssignmentView, counts: Counter[int]) -> tuple[tuple[int, ...], bool]:
    """What *me* takes, and whether there is anything that some node can take. Counts what it gives to whom."""
    take: list[int] = []
    pending = False
    able = _Able(world)
    for sensor in sorted(world.sensors, key=lambda sensor: sensor.ref):
        lease = world.leases.get(sensor.id)
        if lease is not None and not lease.is_free:
            continue
        line = sorted(able.nodes(sensor), key=lambda node: (counts[node.id], node.name, node.id))
        if not line:
            continue
        pending = True
        counts[line[0].id] += 1
        rank = next((index for index, node in enumerate(line) if node.id == me), None)
        free_for = -lease.left if lease else 0.0
        if rank is not None and free_for >= rank * _RANK_SECONDS:
            take.append(sensor.id)
    return tuple(take), pending


class _Able:
    """The nodes that can run a sensor, found once for each requirement."""

    def __init__(self, world: AssignmentView) -> None:
        self._nodes = world.nodes
        self._found: dict[str, tuple[Node, ...]] = {}

    def nodes(self, sensor: Sensor) -> tuple[Node, ...]:
        try:
            requirement = sensor.requirement
        except RequirementError:
            return ()
        key = str(requirement)
        if key not in self._found:
            self._found[key] = tuple(candidate.node for candidate in match(requirement, self._nodes).eligible)
        return self._found[key]
