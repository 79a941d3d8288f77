"""Runs the built-in sensors: each watches, and stores what it fires with what it must remember, in one transaction."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from attune.agent.logs import log
from attune.agent.sensors.instance import BuiltinInstance
from attune.core.backoff import Backoff
from attune.core.errors import AttuneError, DatabaseError
from attune.core.ports.sensors import SensorEvents
from attune.core.sensors.assignment import SensorState
from attune.core.sensors.builtin import parse_builtin
from attune.core.sensors.event_line import NewEvent
from attune.core.sensors.file_watch import FileView, FileWatch, view_of
from attune.core.sensors.timers import Timer, TimerFired
from attune.operations.nodes.refusals import Refusals

T = TypeVar("T")
_SHORTEST_SLEEP, _LONGEST_SLEEP = 0.01, 30.0
_RETRY = Backoff(0.4, 5.0)
_PAUSE, _LONGEST_PAUSE = 4, 10.0  # times what a look at files took, and at most
Look = Callable[[], FileView | None]


@dataclass(frozen=True)
class BuiltinSensors:
    """What the built-in sensors of a node share. `looker` gives what looks at the files of a pattern."""

    node_id: Callable[[], int]
    events: SensorEvents
    now: Callable[[], datetime]
    looker: Callable[[str], Look]

    async def watch(self, instance: BuiltinInstance) -> None:
        """Run until cancelled, or until its lease is over."""
        sensor = instance.sensor
        builtin, problems = parse_builtin(sensor.entrypoint, sensor.config)
        if builtin is None:
            instance.say(SensorState.FAILED, "; ".join(map(str, problems)))
            return
        position = await _tried_again(sensor.ref, lambda _: self.events.position(sensor.id))
        instance.say(SensorState.RUNNING)
        if isinstance(builtin, FileWatch):
            await self._watch_files(instance, builtin, position)
        else:
            await self._watch_clock(instance, builtin, position)

    async def _watch_clock(self, instance: BuiltinInstance, timer: Timer, position: Any) -> None:
        last = _time_of(position)
        if last is None:
            last = self.now()
            begun = [TimerFired(last).payload()] if timer.at_start else []
            if not await self._fire(instance, {"last": last.isoformat()}, begun):
                return
        while True:
            fire = timer.fire(last, self.now())
            if fire is not None:
                if not await self._fire(instance, {"last": fire.at.isoformat()}, [fire.payload()]):
                    return
                last = fire.at
                continue
            due = timer.next(last)
            wait = _LONGEST_SLEEP if due is None else (due - self.now()).total_seconds()
            await asyncio.sleep(min(max(wait, _SHORTEST_SLEEP), _LONGEST_SLEEP))

    async def _watch_files(self, instance: BuiltinInstance, watch: FileWatch, position: Any) -> None:
        before, look = view_of(position, watch.path), self.looker(watch.path)
        while True:
            began = time.monotonic()
            try:
                view = await asyncio.to_thread(look)
            except (AttuneError, OSError) as error:
                instance.tell(SensorState.FAILED, str(error))
                await asyncio.sleep(_LONGEST_SLEEP)
                continue
            if view is not None:
                absent = view.gone_since(before)
                if absent or view.missing:
                    instance.tell(SensorState.WAITING, f"waits: {absent or view.missing}")
                else:
                    instance.tell(SensorState.RUNNING, f"watches {watch.path}: {len(view.files)} files {view.where}")
                if not absent and view != before:
                    if not await self._tell_files(instance, watch, before, view):
                        return
                    before = view
            await asyncio.sleep(max(watch.every, min(_PAUSE * (time.monotonic() - began), _LONGEST_PAUSE)))

    async def _tell_files(
        self, instance: BuiltinInstance, watch: FileWatch, before: FileView | None, view: FileView
    ) -> bool:
        """Store what happened since *before*, and what to remember; False if the lease is over."""
        if view.is_elsewhere(before):
            log.warning(f"sensor {instance.sensor.ref} begins anew: {watch.path} is now another place, {view.place}")
        at = self.now().isoformat()
        for step, happened in view.steps_since(before):
            payloads = [change.payload(at) for change in happened if change.event in watch.events]
            if not await self._fire(instance, step.position(watch.path), payloads):
                return False
        return True

    async def _fire(self, instance: BuiltinInstance, position: Any, payloads: Sequence[Mapping[str, Any]]) -> bool:
        """Store; False if the lease is over."""
        sensor, epoch = instance.sensor, instance.taken.epoch
        events = [NewEvent(sensor.trigger_ref, payload, sensor.id, sensor.ref) for payload in payloads]
        return await _tried_again(
            sensor.ref, lambda tries: self.events.fire(self.node_id(), sensor.id, epoch, position, events, tries)
        )


async def _tried_again(ref: str, work: Callable[[int], Awaitable[T]]) -> T:
    """What *work* returns, once the database takes it; it is given how often in a row that was refused before."""
    refusals = Refusals(f"events of sensor {ref} cannot be stored", f"events of sensor {ref} are stored again", _RETRY)
    while True:
        try:
            done = await work(refusals.tries)
        except DatabaseError as error:
            await asyncio.sleep(refusals.failed(error))
            continue
        refusals.worked()
        return done


def _time_of(position: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(position["last"])
    except (KeyError, TypeError, ValueError):
        return None
