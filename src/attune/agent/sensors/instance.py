"""One sensor on this node: its process, started again when it ends, for as long as the lease lasts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from attune.agent.logs import log
from attune.agent.sensors.sensor_context import SensorContext, command_of
from attune.core.durations import precise
from attune.core.errors import AttuneError
from attune.core.ports.sensors import RunningSensor, SensorEnd, SensorProgram, SensorReport, TakenLease
from attune.core.sensors.assignment import SensorState
from attune.core.sensors.restart import Restarts
from attune.core.sensors.sensor import Sensor

Told = Callable[[], None]


class SensorInstance(Protocol):
    """A sensor that this node runs. `report` says how it is; `until` is when the node must have ended it."""

    sensor: Sensor
    taken: TakenLease
    report: SensorReport

    def begin(self, until: float) -> None: ...

    def extend(self, until: float) -> None:
        """Let it go on until that time of the machine's clock."""

    def throttle(self, on: bool) -> None:
        """Hold it back for as long as *on*: what it printed cannot be stored as quickly."""

    def kill(self) -> None:
        """End it at once; `stop` still says when nothing is left."""

    async def stop(self) -> None:
        """End it, and return when nothing is left of it."""


class ProcessInstance:
    """A sensor that is a process of its own."""

    def __init__(self, sensor: Sensor, taken: TakenLease, place: SensorContext, told: Told) -> None:
        self.sensor = sensor
        self.taken = taken
        self.report = SensorReport(taken.sensor, taken.epoch, SensorState.STARTING)
        self._place = place
        self._told = told
        self._output_log = place.folder.output_log(taken.output_log)
        self._until = 0.0
        self._stopping = asyncio.Event()
        self._process: RunningSensor | None = None
        self._pressed = False
        self._restarts = Restarts()
        self._task: asyncio.Task[None] | None = None

    def begin(self, until: float) -> None:
        self._until = until
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._broke)

    def extend(self, until: float) -> None:
        self._until = max(self._until, until)
        if self._process is not None:
            self._process.extend(until)

    def throttle(self, on: bool) -> None:
        if self._process is not None and on != self._pressed:
            self._pressed = on
            (self._process.pause if on else self._process.resume)()
            log.warning(f"sensor {self.sensor.ref} {'is held back' if on else 'goes on'}: unstored events")

    def kill(self) -> None:
        self._stopping.set()
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        self._stopping.set()
        if self._process is not None:
            self._process.stop()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while not self._stopping.is_set():
            if self._place.clock() >= self._until:  # only the holder of a lease that is valid starts anything
                await self._pause(0.1)
                continue
            began = self._place.clock()
            end = await self._once()
            if self._stopping.is_set():
                return
            if end.by != "lease":
                await self._back_off(end, self._place.clock() - began)

    async def _once(self) -> SensorEnd:
        """Start the process and wait for its end."""
        try:
            command = await command_of(self.sensor, self._place)
            await asyncio.to_thread(self._output_log.create)
            program = SensorProgram(
                command,
                self._output_log.path,
                self._output_log.work,
                self.sensor.config,
                {"ATTUNE_SENSOR": self.sensor.ref, "ATTUNE_TRIGGER": self.sensor.trigger_ref},
            )
            process = await self._place.start(program, self._until, self._place.environment, self._complain)
        except (AttuneError, OSError) as error:
            return SensorEnd(f"cannot be started: {error}")
        self._process, self._pressed = process, False
        try:
            process.extend(self._until)  # it may have moved meanwhile
            if self._stopping.is_set():
                process.stop()
            failure = await process.started()
            if failure is not None:
                if failure.interpreter_failed:
                    self._place.suspect(self.sensor.runtime_ref)
                return failure
            self._say(SensorState.RUNNING, "", pid=process.pid)
            log.info(f"sensor {self.sensor.ref} runs", pid=process.pid, epoch=self.taken.epoch)
            return await process.end()
        finally:
            self._process = None
            process.kill()

    async def _back_off(self, end: SensorEnd, ran_for: float) -> None:
        rules = self._place.restarts
        self._restarts = self._restarts.ended(ran_for, rules)
        delay = self._restarts.delay(rules, random.random())
        state = SensorState.FAILED if self._restarts.given_up(rules) else SensorState.BACKING_OFF
        times = f", {self._restarts.failures} times in a row" if self._restarts.failures > 1 else ""
        reason = f"{end.reason}{times}; it is started again after {precise(max(1.0, delay))}"
        log.warning(f"sensor {self.sensor.ref} {reason}")
        self._say(state, reason)
        await self._pause(delay)

    def _broke(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(f"sensor {self.sensor.ref} cannot be run", exc_info=error)
            self._say(SensorState.FAILED, f"cannot be run: {error!r}")

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _say(self, state: SensorState, reason: str, pid: int | None = None) -> None:
        self.report = SensorReport(
            self.taken.sensor,
            self.taken.epoch,
            state,
            reason,
            restarts=self._restarts.total,
            bad_lines=self.report.bad_lines,
            pid=pid,
        )
        self._told()

    def _complain(self, line: str) -> None:
        log.info(f"sensor {self.sensor.ref} says: {line}")


class BuiltinInstance:
    """A sensor that is part of Attune: a task of this process. What it fires is stored only under a valid lease."""

    def __init__(
        self, sensor: Sensor, taken: TakenLease, told: Told, watch: Callable[[Any], Coroutine[Any, Any, None]]
    ) -> None:
        self.sensor = sensor
        self.taken = taken
        self.report = SensorReport(taken.sensor, taken.epoch, SensorState.STARTING)
        self._told = told
        self._watch = watch
        self._task: asyncio.Task[None] | None = None

    def begin(self, until: float) -> None:
        self._task = asyncio.create_task(self._watch(self))
        self._task.add_done_callback(self._broke)

    def extend(self, until: float) -> None:
        """The database checks the lease with every event."""

    def throttle(self, on: bool) -> None:
        """It waits for its events to be stored anyway."""

    def kill(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        self.kill()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _broke(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(f"sensor {self.sensor.ref} cannot be run", exc_info=error)
            self.say(SensorState.FAILED, f"cannot be run: {error!r}")

    def say(self, state: SensorState, reason: str = "") -> None:
        """Tell how it is."""
        self.report = SensorReport(self.taken.sensor, self.taken.epoch, state, reason)
        self._told()
