"""Starts a sensor under its supervisor, and reports what becomes of it.

The sensor prints into a file, not into a pipe: what it has printed outlives the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attune.core.errors import legible
from attune.core.ports.sensors import SensorEnd, SensorProgram
from attune.host.environment import check_environment
from attune.host.sensors import supervisor

boottime = supervisor.now
"""The clock of `until`: seconds since the machine started, sleep included."""
_KEPT_LINES = 5
_LONGEST_LINE = 64 * 1024


class SensorProcess:
    """`RunningSensor`, by way of its supervisor."""

    def __init__(self, process: asyncio.subprocess.Process, complain: Callable[[str], None]) -> None:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        self._supervisor = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._complain = complain
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._errors = asyncio.create_task(self._read_errors())
        self.pid: int | None = None

    def extend(self, until: float) -> None:
        self.send(f"until {until!r}")

    def pause(self) -> None:
        self.send("pause")

    def resume(self) -> None:
        self.send("resume")

    def stop(self) -> None:
        self.send("stop")

    def kill(self) -> None:
        """End it at once, by way of its supervisor: the end of the pipe says that we are gone."""
        self._stdin.close()

    async def started(self) -> SensorEnd | None:
        news = await self._news()
        if "pid" in news:
            self.pid = int(news["pid"])
            return None
        await self._collect()
        reason = str(news.get("not_started") or "its supervisor ended before it could start it")
        return SensorEnd(f"cannot be started: {reason}", interpreter_failed=bool(news.get("interpreter")))

    async def end(self) -> SensorEnd:
        news = await self._news()
        await self._collect()
        said = f"; last it said: {' / '.join(self._last)}" if self._last else ""
        if "exit" in news:
            return SensorEnd(f"ended with exit code {news['exit']}{said}", str(news["by"]))
        if news.get("signal"):
            return SensorEnd(f"was killed by signal {news['signal']}{said}", str(news["by"]))
        return SensorEnd(f"ended with its supervisor{said}")

    async def _news(self) -> dict[str, Any]:
        line = await self._stdout.readline()
        try:
            news = json.loads(line)
        except ValueError:
            return {}
        return news if isinstance(news, dict) else {}

    async def _collect(self) -> None:
        self.kill()
        await self._supervisor.wait()
        # Somebody whom the sensor started may have escaped and hold the pipe for ever.
        await asyncio.wait({self._errors}, timeout=0.5)
        self._errors.cancel()
        await asyncio.gather(self._errors, return_exceptions=True)

    async def _read_errors(self) -> None:
        while True:
            try:
                line = await self._stderr.readline()
            except ValueError:  # longer than the reader's limit, and dropped by it
                continue
            if not line:
                return
            text = legible(line.decode("utf-8", "replace").rstrip())
            if text:
                self._last.append(text)
                self._complain(text)

    def send(self, command: str) -> None:
        """Write a line to the supervisor, unless it is gone."""
        if not self._stdin.is_closing():
            with contextlib.suppress(ConnectionError):
                self._stdin.write(f"{command}\n".encode())


async def start_sensor(
    program: SensorProgram,
    until: float,
    environment: Mapping[str, str],
    complain: Callable[[str], None] = lambda line: None,
) -> SensorProcess:
    """Start *program*, which may run until that time of `boottime`; `started` tells whether it does.

    *environment* is the environment of this process, of which it gets what is harmless; *complain* is told each line
    of its stderr. Raises `OSError` where not even the supervisor could be started.
    """
    harmless = check_environment(environment)
    spec = {
        "argv": list(program.argv),
        "output": str(program.output_log),
        "folder": str(program.folder),
        "parameters": dict(program.parameters),
        "environment": {**harmless, "PYTHONUNBUFFERED": "1", **program.environment},
        "until": until,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(Path(supervisor.__file__))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        start_new_session=True,
        env=harmless,
        cwd="/",
    )
    sensor = SensorProcess(process, complain)
    sensor.send(json.dumps(spec))
    return sensor
