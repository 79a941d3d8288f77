"""Which sensor node runs which sensor. Pure: every node comes to the same answer from the same view.

A node that holds a lease keeps it as long as it lives and can run the sensor: one that has less to do is no reason to
move it, for a sensor sees what its node sees. What nobody holds goes to the able node that runs
the fewest sensors; the next ones in line step in, one after the other, where that one does not act.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from attune.core.errors import RequirementError, UsageError
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.matcher import match
from attune.core.sensors.sensor import Sensor

_Able = Callable[[Sensor], tuple[Node, ...]]
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
    `wanted` is the node that an operator wants it to move to.
    """

    sensor: int
    worker: int | None
    epoch: int
    left: float
    age: float = 0.0
    output_log: UUID | None = None
    wanted: int | None = None

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
    able = _able(world)
    back = {
        lease.sensor: reason for lease in mine if (reason := _why_not_keep(lease, known.get(lease.sensor), node, able))
    }
    take, pending = _take(me, world, able)
    return AssignmentPlan(take, back, pending)


def move_target(ref: str, to: str | None, world: AssignmentView) -> tuple[Sensor, Node] | None:
    """The sensor *ref* and where it moves: the node called *to*, else another that can run it; None: none is enabled.

    Raises `UsageError` with what is in the way.
    """
    sensor = next((sensor for sensor in world.sensors if sensor.ref == ref), None)
    if sensor is None:
        return None
    lease = world.leases.get(sensor.id)
    if lease is None or lease.is_free:
        raise UsageError(f"expected a sensor that runs, got {ref}, which waits: {why_waiting(sensor, world.nodes)}")
    others = [node for node in world.nodes if (node.id != lease.worker if to is None else node.name == to)]
    if not others:
        raise UsageError("there is no other sensor node" if to is None else f"no sensor node is called {to!r}")
    counts = _counts(world)
    able = _able(replace(world, nodes=others))(sensor)
    if not able:
        raise UsageError(f"{ref} stays where it is: {why_waiting(sensor, others)}")
    return sensor, min(able, key=lambda node: (counts[node.id], node.name))


def _counts(world: AssignmentView) -> Counter[int]:
    return Counter(lease.worker for lease in world.leases.values() if lease.worker and not lease.is_free)


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


def _why_not_keep(lease: Lease, sensor: Sensor | None, node: Node | None, able: "_Able") -> str:
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
        to = next((other.name for other in able(sensor) if other.id == lease.wanted != node.id), None)
        return f"it moves to {to}" if to else ""
    unmet = [f"{finding.term}: {finding.on(node)}" for finding in placement.others[0].unmet]
    return f"{node.name} cannot run it any more: {', '.join(unmet) or 'a taint'}"


def _take(me: int, world: AssignmentView, able: "_Able") -> tuple[tuple[int, ...], bool]:
    """What *me* takes, and whether there is anything that some node can take. Counts what it gives to whom."""
    take: list[int] = []
    pending = False
    counts = _counts(world)
    for sensor in sorted(world.sensors, key=lambda sensor: sensor.ref):
        lease = world.leases.get(sensor.id)
        if lease is not None and not lease.is_free:
            continue
        line = sorted(able(sensor), key=lambda node: (counts[node.id], node.name, node.id))
        line.sort(key=lambda node: lease is None or node.id != lease.wanted)
        if not line:
            continue
        pending = True
        counts[line[0].id] += 1
        rank = next((index for index, node in enumerate(line) if node.id == me), None)
        free_for = -lease.left if lease else 0.0
        if rank is not None and free_for >= rank * _RANK_SECONDS:
            take.append(sensor.id)
    return tuple(take), pending


def _able(world: AssignmentView) -> _Able:
    """Gives the nodes that can run a sensor, found once for each requirement."""
    found: dict[str, tuple[Node, ...]] = {}

    def nodes(sensor: Sensor) -> tuple[Node, ...]:
        try:
            requirement = sensor.requirement
        except RequirementError:
            return ()
        key = str(requirement)
        if key not in found:
            found[key] = tuple(candidate.node for candidate in match(requirement, world.nodes).eligible)
        return found[key]

    return nodes
