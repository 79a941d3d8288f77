"""Sensors, their leases and their events in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID, uuid4

from attune.core.errors import DatabaseError
from attune.core.matching.fleet import Node
from attune.core.ports.sensors import OutputLogRecord, Renewal, SensorReport, SensorStatus, TakenLease, explained
from attune.core.sensors.assignment import AssignmentView, Lease, SensorState, move_target
from attune.core.sensors.event_line import NewEvent
from attune.core.sensors.sensor import Sensor


@dataclass
class _Lease:
    worker: int | None
    epoch: int
    taken_at: datetime
    expires_at: datetime
    since: datetime
    report: SensorReport
    wanted: int | None = None


@dataclass
class _OutputLog:
    sensor: int
    epoch: int
    shipped: int = 0


@dataclass
class MemorySensors:
    """`LeaseStore`, `SensorReader` and `SensorEvents` in memory.

    Move `ahead` to let time pass; set `away` to take it offline; set `changed` to tell of a change; `refuses` says with
    which error an event is refused.
    """

    definitions: dict[int, Sensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    ahead: timedelta = timedelta()
    away: bool = False
    refuses: Callable[[NewEvent], DatabaseError | None] = lambda event: None
    aside: list[NewEvent] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _leases: dict[int, _Lease] = field(default_factory=dict)
    _output_logs: dict[UUID, _OutputLog] = field(default_factory=dict)
    _positions: dict[int, Any] = field(default_factory=dict)

    @asynccontextmanager
    async def listening(self) -> "AsyncIterator[MemorySensors]":
        self._require_database()
        yield self

    async def news(self, timeout_seconds: float) -> bool:
        """`ChangeListener`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self.changed.wait()
        heard = self.changed.is_set()
        self.changed.clear()
        self._require_database()
        return heard

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def world(self) -> AssignmentView:
        now = self.now()
        self._require_database()
        sensors = sorted(filter(attrgetter("enabled"), self.definitions.values()), key=attrgetter("ref"))
        ids = {(output_log.sensor, output_log.epoch): key for key, output_log in self._output_logs.items()}
        leases = {
            sensor: Lease(
                sensor,
                lease.worker,
                lease.epoch,
                (lease.expires_at - now).total_seconds(),
                (now - lease.taken_at).total_seconds(),
                ids.get((sensor, lease.epoch)),
                lease.wanted,
            )
            for sensor, lease in self._leases.items()
        }
        return AssignmentView(sensors, tuple(self.nodes), leases)

    async def take(
        self, node_id: int, sensors: Sequence[int], seconds: float, *, dead: Mapping[int, int] | None = None
    ) -> Sequence[TakenLease]:
        self._require_database()
        taken = []
        for number in sensors:
            sensor, old, now = self.definitions.get(number), self._leases.get(number), self.now()
            mine = old is not None and old.worker == node_id and old.epoch == (dead or {}).get(number)
            if sensor is None or not sensor.enabled or (old and old.expires_at > now and not mine):
                continue
            epoch, key = (old.epoch if old else 0) + 1, uuid4()
            report = SensorReport(number, epoch, SensorState.STARTING)
            self._leases[number] = _Lease(node_id, epoch, now, now + timedelta(seconds=seconds), now, report)
            self._output_logs[key] = _OutputLog(number, epoch)
            taken.append(TakenLease(number, epoch, key))
        return taken

    async def renew(self, node_id: int, held: Mapping[int, int], seconds: float) -> Renewal:
        self._require_database()
        now, kept = self.now(), set()
        for sensor, epoch in held.items():
            lease = self._held(node_id, sensor, epoch)
            if lease is not None and lease.expires_at > now:
                lease.expires_at = now + timedelta(seconds=seconds)
                kept.add(sensor)
        free = {
            sensor.id
            for sensor in self.definitions.values()
            if sensor.enabled and (sensor.id not in self._leases or self._leases[sensor.id].expires_at <= now)
        }
        return Renewal(now, frozenset(kept), frozenset(free))

    async def release(self, node_id: int, held: Mapping[int, int], reasons: Mapping[int, str] | None = None) -> None:
        self._require_database()
        for sensor, epoch in held.items():
            lease = self._held(node_id, sensor, epoch)
            if lease is not None:
                lease.worker, lease.expires_at = None, self.now()

    async def report(self, node_id: int, reports: Sequence[SensorReport]) -> None:
        self._require_database()
        for report in reports:
            lease = self._held(node_id, report.sensor, report.epoch)
            if lease is not None:
                lease.since = self.now() if lease.report.state is not report.state else lease.since
                lease.report = report

    async def status(self) -> Sequence[SensorStatus]:
        return explained(
            [*map(self._status, sorted(self.definitions.values(), key=attrgetter("ref")))], await self.world()
        )

    def _status(self, sensor: Sensor) -> SensorStatus:
        lease = self._leases.get(sensor.id)
        report = lease.report if lease else SensorReport(sensor.id, 0, SensorState.WAITING)
        runs = lease is not None and lease.expires_at > self.now()
        state = report.state.value if runs else "waiting"
        names = {node.id: node.name for node in self.nodes}
        same = ("id", "ref", "trigger_ref", "enabled", "runtime_ref")
        told = ("epoch", "restarts", "bad_lines", "last_lines")
        return SensorStatus(
            **{name: getattr(sensor, name) for name in same},
            **{name: getattr(report, name) for name in told},
            state=state if sensor.enabled else "disabled",
            reason=report.reason if runs and sensor.enabled else "",
            node=names.get(lease.worker or 0) if lease and runs else None,
            pid=report.pid if runs else None,
            since=lease.since if lease else None,
            wanted=names.get(lease.wanted or 0) if lease and lease.wanted != lease.worker else None,
        )

    async def move(self, ref: str, to: str | None = None) -> str | None:
        found = move_target(ref, to, await self.world())
        if found is None:
            return None
        self._leases[found[0].id].wanted = found[1].id
        self.changed.set()
        return found[1].name

    async def set_enabled(self, ref: str, enabled: bool) -> bool:
        self._require_database()
        for number, sensor in self.definitions.items():
            if sensor.ref == ref:
                self.definitions[number] = replace(sensor, enabled=enabled)
                self.changed.set()
                return True
        return False

    async def output_log(self, key: UUID) -> OutputLogRecord | None:
        self._require_database()
        output_log = self._output_logs.get(key)
        sensor = self.definitions.get(output_log.sensor) if output_log else None
        if output_log is None or sensor is None:
            return None
        return OutputLogRecord(
            sensor=sensor.id,
            sensor_ref=sensor.ref,
            trigger_ref=sensor.trigger_ref,
            epoch=output_log.epoch,
            shipped=output_log.shipped,
            over=self._is_over(output_log),
        )

    async def ship(self, key: UUID, begin: int, end: int, events: Sequence[NewEvent], tries: int = 0) -> bool:
        self._require_database()
        output_log = self._output_logs.get(key)
        if output_log is None or output_log.shipped != begin:
            return False
        self._store(events, tries)
        output_log.shipped = end
        return True

    async def finish(self, key: UUID, size: int) -> bool:
        self._require_database()
        output_log = self._output_logs.get(key)
        if output_log is None or output_log.shipped != size or not self._is_over(output_log):
            return False
        del self._output_logs[key]
        return True

    async def position(self, sensor: int) -> Any:
        self._require_database()
        return self._positions.get(sensor)

    async def fire(
        self, node_id: int, sensor: int, epoch: int, position: Any, events: Sequence[NewEvent], tries: int = 0
    ) -> bool:
        self._require_database()
        lease = self._held(node_id, sensor, epoch)
        if lease is None or lease.expires_at <= self.now():
            return False
        self._store(events, tries)
        self._positions[sensor] = position
        return True

    def _store(self, events: Sequence[NewEvent], tries: int) -> None:
        """Add *events*; set aside those that are at fault themselves."""
        errors = [self.refuses(event) for event in events]
        for error in errors:
            if error and (not error.may_be_of_a_row(tries) or not (error.row_fault or None in errors)):
                raise error
        self.events += [event for event, error in zip(events, errors, strict=True) if error is None]
        self.aside += [event for event, error in zip(events, errors, strict=True) if error]

    def _require_database(self) -> None:
        if self.away:
            raise DatabaseError("cannot reach the database: it is away")

    def _held(self, node_id: int, sensor: int, epoch: int) -> _Lease | None:
        lease = self._leases.get(sensor)
        return lease if lease is not None and lease.worker == node_id and lease.epoch == epoch else None

    def _is_over(self, output_log: _OutputLog) -> bool:
        lease = self._leases.get(output_log.sensor)
        return lease is None or lease.epoch > output_log.epoch or lease.expires_at <= self.now()
