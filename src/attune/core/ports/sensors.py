"""What sensing needs of a database, as protocols with their values. `attune.testing` has a fake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from attune.core.sensors.assignment import AssignmentView, SensorState, why_waiting
from attune.core.sensors.event_line import NewEvent
from attune.core.sensors.sensor import Sensor


@dataclass(frozen=True, slots=True)
class TakenLease:
    """A lease that was taken, and the id of the journal that belongs to its epoch."""

    sensor: int
    epoch: int
    journal: UUID


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal brought: the database's time, the sensors whose leases are held still, and those that are free."""

    now: datetime
    kept: frozenset[int]
    free: frozenset[int]


@dataclass(frozen=True, slots=True)
class SensorReport:
    """How a sensor is, as told by the node that holds *epoch* of its lease."""

    sensor: int
    epoch: int
    state: SensorState
    reason: str = ""
    restarts: int = 0
    bad_lines: int = 0
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class SensorStatus:
    """How a sensor is, as the database knows it. `node` is the name of the node that runs it."""

    id: int
    ref: str
    trigger_ref: str
    enabled: bool
    runtime_ref: str
    state: str
    reason: str
    node: str | None
    pid: int | None
    epoch: int
    restarts: int
    bad_lines: int
    since: datetime | None


def explained(found: Sequence[SensorStatus], world: AssignmentView) -> list[SensorStatus]:
    """*found*, with the reason of those that wait."""
    known = {sensor.id: sensor for sensor in world.sensors}
    nodes = [node for node in world.nodes if node.id in world.connected] or world.nodes
    return [
        replace(one, reason=why_waiting(known[one.id], nodes)) if one.state == "waiting" and one.id in known else one
        for one in found
    ]


@dataclass(frozen=True, slots=True)
class OutputLogRecord:
    """A journal as the database knows it: `shipped` bytes of it are events, `over` says that its epoch has ended."""

    sensor: int
    sensor_ref: str
    trigger_ref: str
    epoch: int
    shipped: int
    over: bool


class SensorStore(Protocol):
    """Definitions, leases and how sensors are."""

    async def sensors(self) -> Sequence[Sensor]: ...

    async def world(self) -> AssignmentView: ...

    async def take(
        self, node_id: int, sensors: Sequence[int], seconds: float, *, dead: Mapping[int, int] | None = None
    ) -> Sequence[TakenLease]: ...

    async def renew(self, node_id: int, held: Mapping[int, int], seconds: float) -> Renewal: ...

    async def release(
        self, node_id: int, held: Mapping[int, int], reasons: Mapping[int, str] | None = None
    ) -> None: ...

    async def report(self, node_id: int, reports: Sequence[SensorReport]) -> None: ...

    async def status(self) -> Sequence[SensorStatus]: ...

    async def set_enabled(self, ref: str, enabled: bool) -> bool: ...


class SensorEvents(Protocol):
    """Events of sensors, each stored exactly once, and what built-in sensors remember."""

    async def journal(self, key: UUID) -> OutputLogRecord | None: ...

    async def ship(self, key: UUID, begin: int, end: int, events: Sequence[NewEvent]) -> bool:
        """Store *events*, which stand between two offsets; False, and nothing stored, if *begin* is not next."""
        ...

    async def finish(self, key: UUID, size: int) -> bool:
        """Forget a journal whose epoch is over and of which *size* bytes, all there are, are shipped."""
        ...

    async def position(self, sensor: int) -> Any:
        """What a built-in sensor has remembered, None for nothing."""
        ...

    async def fire(self, node_id: int, sensor: int, epoch: int, position: Any, events: Sequence[NewEvent]) -> bool:
        """Store *events* and remember *position*, together; False, and nothing stored, for an epoch that is over."""
        ...
