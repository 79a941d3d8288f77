"""Runs sensors on this node: takes leases, runs what it holds, and gives back what it can no longer run."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from attune.agent.logs import log
from attune.agent.sensors.event_forwarder import EventForwarder
from attune.agent.sensors.instance import SensorInstance
from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError
from attune.core.matching.fleet import Node
from attune.core.ports.sensors import LeaseStore, SensorOutputs, TakenLease
from attune.core.sensors.assignment import AssignmentPlan, AssignmentView, plan
from attune.core.sensors.sensor import Sensor
from attune.operations.nodes.refusals import Refusals

_RENEWALS = 4  # in the time of one lease
_FENCE = 0.8  # of a lease: then a sensor whose lease was not renewed is ended
_SOON_SECONDS = 0.5
_DEBOUNCE_SECONDS = 0.05
_RETRY = Backoff(0.2, 6.4)
_LAST_WAIT_SECONDS = 5.0


Begin = Callable[[Sensor, TakenLease, Callable[[], None]], SensorInstance]
"""Makes what runs a sensor under a lease; the last argument is called when its report has changed."""


class DatabaseClock:
    """The database's time as of the last renewal, this host's before; *machine*: seconds since boot, with sleep."""

    def __init__(self, machine: Callable[[], float]) -> None:
        self.machine = machine
        self._now, self._at = datetime.now(UTC), machine()

    def set(self, now: datetime, at: float) -> None:
        """It was *now* when the machine's clock was at *at*."""
        self._now, self._at = now, at

    def now(self) -> datetime:
        return self._now + timedelta(seconds=self.machine() - self._at)


class NodeSensors:
    """What runs on this node, by sensor, and the fleet as last seen. *node*: its name and id once registered."""

    def __init__(self, node: Callable[[], tuple[str, int] | None]) -> None:
        self.node = node
        self.held: dict[int, SensorInstance] = {}
        self.world = AssignmentView()
        self.changed = asyncio.Event()

    def node_now(self) -> Node | None:
        """This node as the registry last showed it."""
        known = self.node()
        return next((node for node in self.world.nodes if known and node.id == known[1]), None)

    def bad_lines(self, output_log: UUID, count: int) -> None:
        """Note that *count* lines of an output log are no events."""
        for instance in self._printing(output_log):
            instance.report = replace(instance.report, bad_lines=count)
            self.changed.set()

    def throttle(self, output_log: UUID, on: bool) -> None:
        """Hold back whatever prints into an output log, as long as *on*."""
        for instance in self._printing(output_log):
            instance.throttle(on)

    def _printing(self, output_log: UUID) -> list[SensorInstance]:
        return [instance for instance in self.held.values() if instance.taken.output_log == output_log]


@dataclass(eq=False)
class SensorLeases:
    """Takes, renews and gives back leases of sensors beside the heartbeat; one lasts *lease_seconds* unrenewed."""

    sensors: NodeSensors
    store: LeaseStore
    folder: SensorOutputs
    lease_seconds: float
    clock: DatabaseClock
    begin: Begin
    forwarder: EventForwarder
    _leaving: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _plan: AssignmentPlan = field(default_factory=AssignmentPlan)
    _free: frozenset[int] = frozenset()
    _looked: float = float("-inf")
    _finishing: bool = False
    _told_folder: bool = False
    _background: set[asyncio.Task[None]] = field(default_factory=set)
    _broken: BaseException | None = None

    @property
    def writers(self) -> Sequence[Refusals]:
        """Of events."""
        return (self.forwarder.refusals,)

    async def keep(self, stop: asyncio.Event) -> None:
        """Run sensors until *stop* is set."""
        self._in_background(self.forwarder.run())
        self._in_background(self._report())
        refusals = Refusals(
            "leases of sensors cannot be renewed, trying again until it works", "leases are renewed again", _RETRY
        )
        while not stop.is_set():
            try:
                async with self.store.listening() as listener:
                    news = True
                    while not stop.is_set():
                        await self._round(news)
                        refusals.worked()
                        pause = self.lease_seconds / _RENEWALS
                        news = await listener.news(min(pause, _SOON_SECONDS) if self._plan.pending else pause)
                        if news:
                            await asyncio.sleep(_DEBOUNCE_SECONDS)
            except DatabaseError as error:
                await asyncio.sleep(min(self.lease_seconds / _RENEWALS, refusals.failed(error)))

    async def finish(self) -> None:
        """Give everything back; returns when nothing runs here any more."""
        self._finishing = True
        await asyncio.gather(*(self._leave(sensor, "its node stops") for sensor in list(self.sensors.held)))
        with suppress(DatabaseError, OSError):
            await self.forwarder.ship(scan=True)

    async def close(self) -> None:
        """End at once whatever still runs."""
        for instance in self.sensors.held.values():
            instance.kill()
        ends = [asyncio.ensure_future(instance.stop()) for instance in self.sensors.held.values()]
        if ends:
            await asyncio.wait(ends, timeout=_LAST_WAIT_SECONDS)
        tasks = [*self._background, *self._leaving.values(), *ends]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.folder.release()

    async def _round(self, news: bool) -> None:
        if self._broken is not None:
            raise self._broken
        known = self.sensors.node()
        if known is None:
            return
        await self._renew(known[1])
        due = self.clock.machine() - self._looked >= self.lease_seconds
        if news or due or self._plan.pending:
            await self._look(known[1])

    async def _renew(self, node_id: int) -> None:
        began = self.clock.machine()
        held = {sensor: instance.taken.epoch for sensor, instance in self.sensors.held.items()}
        renewal = await self.store.renew(node_id, held, self.lease_seconds)
        self.clock.set(renewal.now, began)
        for sensor, epoch in held.items():
            instance = self.sensors.held.get(sensor)
            if instance is None or instance.taken.epoch != epoch:
                continue
            if sensor in renewal.kept:
                instance.extend(began + _FENCE * self.lease_seconds)
            else:
                log.warning(f"sensor {instance.sensor.ref}: its lease is lost", sensor=instance.sensor.ref)
                instance.kill()
                self._leave(sensor, "")
        if renewal.free != self._free:
            self._free = renewal.free
            self._looked = float("-inf")

    async def _look(self, node_id: int) -> None:
        self.sensors.world = world = await self.store.world()
        self._looked = self.clock.machine()
        self._plan = todo = plan(node_id, world)
        for sensor, reason in todo.give_back.items():
            if sensor in self.sensors.held:
                self._leave(sensor, reason)
        known = {sensor.id: sensor for sensor in world.sensors}
        for number, instance in self.sensors.held.items():
            if number in known and known[number] != instance.sensor and number not in self._leaving:
                self._leave(number, "its definition has changed")
        if self._finishing:
            return
        dead = self._dead(node_id, todo)
        wanted = [sensor for sensor in (*todo.take, *dead) if sensor not in self.sensors.held]
        if wanted:
            await self._take(node_id, wanted, dead, known)

    async def _take(
        self, node_id: int, wanted: Sequence[int], dead: Mapping[int, int], known: Mapping[int, Sensor]
    ) -> None:
        began = self.clock.machine()
        for taken in await self.store.take(node_id, wanted, self.lease_seconds, dead=dead):
            sensor = known[taken.sensor]
            log.info(f"sensor {sensor.ref} is taken", sensor=sensor.ref, epoch=taken.epoch)
            instance = self.sensors.held[sensor.id] = self.begin(sensor, taken, self.sensors.changed.set)
            if not sensor.is_builtin:
                self.forwarder.expect(taken.output_log)
            instance.begin(began + _FENCE * self.lease_seconds)

    def _dead(self, node_id: int, todo: AssignmentPlan) -> dict[int, int]:
        """Leases that an earlier process of this node held, and of which nothing lives any more: their epochs."""
        if not self._is_alone():
            return {}
        epochs = {}
        for sensor in self.sensors.world.sensors:
            lease = self.sensors.world.leases.get(sensor.id)
            if lease is None or lease.worker != node_id or lease.is_free or sensor.id in self.sensors.held:
                continue
            if sensor.id in todo.give_back or lease.output_log is None:
                continue
            file = self.folder.output_log(lease.output_log)
            if file.exists and file.is_closed:
                epochs[sensor.id] = lease.epoch
        return epochs

    def _is_alone(self) -> bool:
        """Whether no other process of this node's name works in this data folder."""
        try:
            return self.folder.hold((self.sensors.node() or ("", 0))[0])
        except OSError as error:
            if not self._told_folder:
                log.error(f"sensors cannot keep their files here: {error}")
            self._told_folder = True
            return False

    def _leave(self, sensor: int, reason: str) -> asyncio.Task[None]:
        """Stop a sensor, store what it printed, and give its lease back."""
        if sensor not in self._leaving:
            task = self._leaving[sensor] = asyncio.create_task(self._left(sensor, reason))
            task.add_done_callback(lambda _: self._leaving.pop(sensor, None))
            task.add_done_callback(self._ended)
        return self._leaving[sensor]

    async def _left(self, sensor: int, reason: str) -> None:
        instance = self.sensors.held[sensor]
        if reason:
            log.info(f"sensor {instance.sensor.ref} is given back: {reason}", sensor=instance.sensor.ref)
        await instance.stop()
        del self.sensors.held[sensor]
        known = self.sensors.node()
        with suppress(DatabaseError, OSError):
            await self.forwarder.ship()
        if known is not None and reason:
            with suppress(DatabaseError):  # it expires then
                await self.store.release(known[1], {sensor: instance.taken.epoch}, {sensor: reason})

    async def _report(self) -> None:
        """Tell the database how sensors are, whenever that changes."""
        stored: dict[int, Any] = {}
        refusals = Refusals("the state of sensors cannot be told", "the state of sensors is told again", _RETRY)
        while True:
            await self.sensors.changed.wait()
            await asyncio.sleep(_DEBOUNCE_SECONDS)
            self.sensors.changed.clear()
            now = {sensor: instance.report for sensor, instance in self.sensors.held.items()}
            changed = [report for sensor, report in now.items() if stored.get(sensor) != report]
            known = self.sensors.node()
            if known is None or not changed:
                continue
            try:
                await self.store.report(known[1], changed)
            except DatabaseError as error:
                await asyncio.sleep(refusals.failed(error))
                self.sensors.changed.set()
                continue
            stored = now
            refusals.worked()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
