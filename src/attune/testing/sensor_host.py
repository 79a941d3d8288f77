"""A host that starts no sensor: its files in memory, and sensor processes that a test prints with and ends."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from uuid import UUID

from attune.core.ports.sensors import SensorEnd, SensorProgram


class MemoryOutput:
    """`SensorOutput` in memory; `printed` is what a sensor has printed, `is_closed` whether it has ended."""

    def __init__(self, key: UUID) -> None:
        self.id = key
        self.path = PurePath("/sensors", str(key), "journal")
        self.work = self.path.with_name("work")
        self.printed = b""
        self.exists = False
        self.is_closed = True

    @property
    def size(self) -> int:
        return len(self.printed)

    @property
    def changed(self) -> int:
        return hash(self.printed)

    def create(self) -> None:
        self.exists = True

    def read(self, offset: int, most: int) -> bytes:
        return self.printed[offset : offset + most]

    def forget(self, begin: int, end: int) -> None:
        """Nothing is given back here."""

    def remove(self) -> None:
        self.exists, self.printed = False, b""


@dataclass
class FakeSensor:
    """`RunningSensor` that is no process. A test ends it with `finish`, and sees what was asked of it in `asked`."""

    program: SensorProgram
    until: float
    output: MemoryOutput
    complain: Callable[[str], None]
    failure: SensorEnd | None = None
    pid: int | None = 4711
    asked: list[str] = field(default_factory=list)
    ended: asyncio.Future[SensorEnd] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def put(self, text: str) -> None:
        """Print *text*."""
        self.output.printed += text.encode()

    def finish(self, reason: str, by: str = "") -> None:
        """End, as *reason* says."""
        self.output.is_closed = True
        if not self.ended.done():
            self.ended.set_result(SensorEnd(reason, by))

    def extend(self, until: float) -> None:
        self.until = until

    def pause(self) -> None:
        self.asked.append("pause")

    def resume(self) -> None:
        self.asked.append("resume")

    def stop(self) -> None:
        self.asked.append("stop")
        self.finish("ended", "asked")

    def kill(self) -> None:
        self.finish("was killed", "asked")

    async def started(self) -> SensorEnd | None:
        return self.failure

    async def end(self) -> SensorEnd:
        return await self.ended


class FakeSensorHost:
    """`SensorOutputs` and, called, `SensorStarter`; *failures* befall the next sensors, `holder` is the node here."""

    def __init__(self, *failures: SensorEnd) -> None:
        self.files: dict[UUID, MemoryOutput] = {}
        self.holder: str | None = None
        self.started: list[FakeSensor] = []
        self.failures = list(failures)

    def hold(self, node: str) -> bool:
        self.holder = self.holder or node
        return self.holder == node

    def release(self) -> None:
        self.holder = None

    def output_log(self, key: UUID) -> MemoryOutput:
        return self.files.setdefault(key, MemoryOutput(key))

    def output_logs(self) -> Iterator[MemoryOutput]:
        return iter([file for file in self.files.values() if file.exists])

    async def __call__(self, program: SensorProgram, until: float, complain: Callable[[str], None]) -> FakeSensor:
        output = self.output_log(UUID(program.output_log.parent.name))
        output.is_closed = False
        failure = self.failures.pop(0) if self.failures else None
        self.started.append(FakeSensor(program, until, output, complain, failure))
        return self.started[-1]
