"""Starts a sensor, and reports what becomes of it.

The sensor prints into a file, not into a pipe: what it has printed outlives the node. The file is locked as long as
anything lives that may print into it.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from attune.core.errors import legible
from attune.core.executions.masking import Masker
from attune.core.executions.work import WorkEnding
from attune.core.ports.sensors import SensorEnd, SensorProgram
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.launch import SENSOR
from attune.host.contract.start_fault import blame
from attune.host.contract.supervisors import Ended, NotStarted, Started, SupervisedProgram

_KEPT_LINES = 5
_LONGEST_LINE = 64 * 1024
_LOCK_SECONDS = 2.0
_ENDED_BY = {"time": "lease", "supervisor": ""}


@dataclass(eq=False)
class SensorProcess:
    """`RunningSensor`, by way of its supervisor."""

    contract: ExecutionContract
    program: SupervisedProgram | None
    argv: Sequence[str]
    stderr: int
    complain: Callable[[str], None]
    masker: Masker
    pid: int | None = None
    _last: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    def __post_init__(self) -> None:
        self._errors = asyncio.create_task(self._read_errors())

    def extend(self, until: float) -> None:
        if self.program is not None:
            self.program.extend(until)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.program is not None:
            self.program.stop()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def started(self) -> SensorEnd | None:
        news = await self._news()
        if isinstance(news, Started):
            self.pid = news.pid
            return None
        await self._collect(news)
        if isinstance(news, NotStarted):
            return _not_started(self.argv, news.error)
        return SensorEnd("cannot be started: what was to start it has ended")

    async def end(self) -> SensorEnd:
        news = await self._news()
        await self._collect(news)
        assert isinstance(news, Ended)
        said = f"; last it said: {' / '.join(self._last)}" if self._last else ""
        by = _ENDED_BY.get(news.by, news.by)
        if news.status is None:
            return SensorEnd(f"was ended, since what watched over it was killed{said}")
        if news.status < 0:
            return SensorEnd(f"was killed by signal {-news.status}{said}", by)
        return SensorEnd(f"ended with exit code {news.status}{said}", by)

    async def _news(self) -> Started | NotStarted | Ended:
        assert self.program is not None
        return await self.program.news()

    async def _collect(self, news: Started | NotStarted | Ended) -> None:
        program, self.program = self.program, None
        if program is not None:
            self.contract.end(program, news)
        await asyncio.wait({self._errors}, timeout=0.5)  # somebody else may have been handed the pipe
        self._errors.cancel()
        await asyncio.gather(self._errors, return_exceptions=True)

    def _signal(self, number: int) -> None:
        if self.program is not None:
            self.program.signal(number)

    async def _read_errors(self) -> None:
        reader = asyncio.StreamReader(limit=_LONGEST_LINE)
        protocol = asyncio.StreamReaderProtocol(reader)
        pipe = os.fdopen(self.stderr, "rb")
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError:  # longer than the reader's limit, and dropped by it
                    continue
                if not line:
                    return
                text = legible(self.masker.mask(line.decode("utf-8", "replace").rstrip()))
                if text:
                    self._last.append(text)
                    self.complain(text)
        finally:
            transport.close()


def _not_started(argv: Sequence[str], error: Exception) -> SensorEnd:
    who, reason = blame(error, argv[0], argv[-1])
    return SensorEnd(f"cannot be started: {reason}", interpreter_failed=who is WorkEnding.NOT_STARTED)


class HostSensorStarter:
    """`SensorStarter` on this host, under its *contract*."""

    def __init__(self, contract: ExecutionContract) -> None:
        self._contract = contract

    async def __call__(
        self, program: SensorProgram, until: float, complain: Callable[[str], None] = lambda line: None
    ) -> SensorProcess:
        output = await asyncio.to_thread(_locked, str(program.output_log))
        stdin = os.memfd_create("parameters", os.MFD_CLOEXEC)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            os.pwrite(stdin, json.dumps(dict(program.parameters)).encode(), 0)
            argv, streams = program.argv, (stdin, output, writing)
            # another user may not enter the data folder
            folder, variables = str(program.folder) if self._contract.user is None else None, program.environment
            started = self._contract.start(
                SENSOR, argv, argv[0], streams, entry=argv[-1], folder=folder, variables=variables, until=until
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            for fd in (output, stdin, writing):
                os.close(fd)
        return SensorProcess(self._contract, started, argv, reading, complain, Masker(program.masked))


def _locked(path: str) -> int:
    """The output log, locked as long as anything has it open that it is handed to. Raises `OSError`."""
    output = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        with contextlib.suppress(BlockingIOError):  # whoever only looks holds it for a moment
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        if time.monotonic() >= until:
            os.close(output)
            raise OSError("its output log is in use: another process of this sensor lives")
        time.sleep(0.01)
    size = os.fstat(output).st_size
    if size and os.pread(output, 1, size - 1) != b"\n":
        os.write(output, b"\n")  # what an earlier process left half printed must not join what the next one prints
    return output
