"""One sensor on this node: its process, started again when it ends, for as long as the lease lasts."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from structlog.contextvars import bound_contextvars

from attune.agent.control import first_of
from attune.agent.interpreters import interpreter_of, interpreters_on
from attune.agent.logs import log
from attune.agent.secrets import SecretResolver
from attune.core.backoff import RestartRules, Restarts
from attune.core.durations import precise
from attune.core.errors import AttuneError, UsageError, legible
from attune.core.matching.fleet import Node
from attune.core.nodes.place import described, place_error
from attune.core.ports.packs import PackFolders
from attune.core.ports.sensors import (
    RunningSensor,
    SensorEnd,
    SensorOutputs,
    SensorProgram,
    SensorReport,
    SensorStarter,
    TakenLease,
)
from attune.core.runtimes.definition import StartOptions
from attune.core.sensors.assignment import SensorState
from attune.core.sensors.sensor import Sensor

_KEPT_LINES, _KEPT_CHARACTERS = 20, 4096
_LINES_SECONDS = 3.0  # between two reports that say nothing but what was printed
Changed = Callable[[], None]
Watch = Callable[["BuiltinInstance"], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class SensorContext:
    """What all sensors of a node share. `suspect` and `recheck` are as an `ExecutionRunner` has them."""

    folder: SensorOutputs
    start: SensorStarter
    node: Callable[[], Node | None]
    clock: Callable[[], float]
    suspect: Callable[[str], None]
    recheck: Callable[[Collection[str]], Awaitable[Collection[str] | None]]
    secrets: SecretResolver
    packs: PackFolders
    restarts: RestartRules = field(default_factory=RestartRules)
    options: Callable[[str], StartOptions] = lambda _: StartOptions()  # of the runtime with that ref


async def command_of(sensor: Sensor, context: SensorContext) -> tuple[str, ...]:
    """The argv for *sensor*: verified interpreter, arguments, entry point. Raises `AttuneError` with the reason."""
    entrypoint = await _entrypoint(sensor, context)
    node = context.node()
    if node is None:
        raise AttuneError("this node takes no work")
    interpreters, missing = interpreters_on(sensor.requirement, node)
    failing = None if missing else await context.recheck({used["ref"] for used in interpreters.values()})
    if failing:
        raise UsageError(f"{', '.join(failing)} has changed since it was verified, and fails now")
    if failing is not None:
        interpreters, missing = interpreters_on(sensor.requirement, context.node() or node)
    if missing:
        raise UsageError(f"the interpreter of {', '.join(missing.values())} is not there")
    interpreter = interpreter_of(sensor.runtime_ref, interpreters, context.node() or node)
    args = (*context.options(sensor.runtime_ref).args, *sensor.interpreter_args)
    return (interpreter, *args, str(entrypoint)) if interpreter else (str(entrypoint),)


async def _entrypoint(sensor: Sensor, context: SensorContext) -> Path:
    written = Path(sensor.entrypoint)
    if sensor.pack_digest is None:
        if written.is_absolute():
            return written
        pack = sensor.ref.partition(".")[0]
        raise AttuneError(f"{sensor.entrypoint}: pack {pack} has no files here: attune pack load DIR")
    return Path(await context.packs.folder(sensor.pack_digest)) / "sensors" / written


class SensorInstance:
    """A sensor that this node runs. `report` says how it is; *changed* is called when that is another."""

    def __init__(self, sensor: Sensor, taken: TakenLease, changed: Changed) -> None:
        self.sensor = sensor
        self.taken = taken
        self.report = SensorReport(taken.sensor, taken.epoch, SensorState.STARTING)
        self._changed = changed
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._task: asyncio.Task[None] | None = None

    def begin(self, until: float) -> None:
        """Run it until that time of the machine's clock, when it must have ended, unless `extend` is called."""
        self.extend(until)
        with bound_contextvars(sensor=self.sensor.ref):  # so that all that it logs has it
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._broke)

    def extend(self, until: float) -> None:
        """Let it go on until that time of the machine's clock."""

    def throttle(self, on: bool) -> None:
        """Hold it back for as long as *on*: what it printed cannot be stored as quickly."""

    def kill(self) -> None:
        """End it at once; `stop` still says when nothing is left."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End it, and return when nothing is left of it."""
        self.kill()
        if self._task is not None:
            await asyncio.wait({self._task})

    def say(self, state: SensorState, reason: str = "", *, pid: int | None = None, restarts: int = 0) -> None:
        """Tell how it is."""
        lines = "\n".join(self._lines)[-_KEPT_CHARACTERS:]
        self.report = replace(self.report, state=state, reason=reason, pid=pid, restarts=restarts, last_lines=lines)
        self._changed()

    async def _run(self) -> None:
        raise NotImplementedError

    def _broke(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(f"sensor {self.sensor.ref} cannot be run", exc_info=error)
            self.say(
                SensorState.FAILED,
                f"cannot be run: {legible(str(error) or type(error).__name__)}",
                restarts=self.report.restarts,
            )


class ProcessInstance(SensorInstance):
    """A sensor that is a process of its own."""

    def __init__(self, sensor: Sensor, taken: TakenLease, context: SensorContext, changed: Changed) -> None:
        super().__init__(sensor, taken, changed)
        self._context = context
        self._output_log = context.folder.output_log(taken.output_log)
        self._until = 0.0
        self._stopping = asyncio.Event()
        self._process: RunningSensor | None = None
        self._throttled = False
        self._restarts = Restarts()
        self._telling: asyncio.TimerHandle | None = None

    def extend(self, until: float) -> None:
        self._until = max(self._until, until)
        if self._process is not None:
            self._process.extend(until)

    def throttle(self, on: bool) -> None:
        if self._process is not None and on != self._throttled:
            self._throttled = on
            (self._process.pause if on else self._process.resume)()
            text = f"sensor {self.sensor.ref} {'is held back' if on else 'goes on'}: unstored events"
            log.warning(text, sensor=self.sensor.ref)

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
            if self._context.clock() >= self._until:  # only the holder of a lease that is valid starts anything
                await first_of(self._stopping, seconds=0.1)
                continue
            began = self._context.clock()
            end = await self._once()
            if self._stopping.is_set():
                return
            if end.by != "lease":
                await self._back_off(end, self._context.clock() - began)

    async def _once(self) -> SensorEnd:
        try:
            command = await command_of(self.sensor, self._context)
            values, _, masked = await self._context.secrets.resolve(self.sensor.config)
            await asyncio.to_thread(self._output_log.create)
            output, variables = self._output_log, self._context.options(self.sensor.runtime_ref).environment
            names = {"ATTUNE_SENSOR": self.sensor.ref, "ATTUNE_TRIGGER": self.sensor.trigger_ref}
            program = SensorProgram(command, output.path, output.work, values, {**variables, **names}, masked)
            process = await self._context.start(program, self._until, self._printed)
        except (AttuneError, OSError) as error:
            if isinstance(error, UsageError) and place_error(error) is None:
                self._context.suspect(self.sensor.runtime_ref)
            return SensorEnd(f"cannot be started: {described(error) if isinstance(error, OSError) else error}")
        self._process, self._throttled = process, False
        try:
            process.extend(self._until)  # it may have moved meanwhile
            if self._stopping.is_set():
                process.stop()
            failure = await process.started()
            if failure is not None:
                if failure.interpreter_failed:
                    self._context.suspect(self.sensor.runtime_ref)
                return failure
            self.say(SensorState.RUNNING, pid=process.pid, restarts=self._restarts.total)
            log.info(f"sensor {self.sensor.ref} runs", pid=process.pid, epoch=self.taken.epoch)
            return await process.end()
        finally:
            self._process = None
            process.kill()

    def _printed(self, line: str) -> None:
        log.info(f"sensor {self.sensor.ref} says: {line}", sensor=self.sensor.ref)
        self._lines.append(line)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_LINES_SECONDS, self._tell_lines)

    def _tell_lines(self) -> None:
        self._telling = None
        self.say(self.report.state, self.report.reason, pid=self.report.pid, restarts=self.report.restarts)

    async def _back_off(self, end: SensorEnd, ran_for: float) -> None:
        rules = self._context.restarts
        self._restarts = self._restarts.ended(ran_for, rules)
        failures = self._restarts.failures
        delay = rules.delay(failures, random.random())
        state = SensorState.FAILED if rules.given_up(failures) else SensorState.BACKING_OFF
        times = f", {failures} times in a row" if failures > 1 else ""
        reason = f"{end.reason}{times}; it is started again after {precise(max(1.0, delay))}"
        log.warning(f"sensor {self.sensor.ref} {reason}")
        self.say(state, reason, restarts=self._restarts.total)
        await first_of(self._stopping, seconds=delay)


class BuiltinInstance(SensorInstance):
    """A sensor that is part of Attune: a task, run by *watch*, whose lease is checked with every event."""

    def __init__(self, sensor: Sensor, taken: TakenLease, changed: Changed, watch: Watch) -> None:
        super().__init__(sensor, taken, changed)
        self._watch = watch

    def tell(self, state: SensorState, reason: str) -> None:
        """Tell how it is, if that is news."""
        if (state, reason) != (self.report.state, self.report.reason):
            self.say(state, reason)

    def kill(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        await self._watch(self)
