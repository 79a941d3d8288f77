"""Runs one action as a process of this host: its own session, its own empty folder, its parameters hidden from `ps`.

What it prints goes on in pieces while it runs; what is left of its group is ended with it. What its output means is
`result.py`.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from attune.core.errors import legible, shown
from attune.core.executions.action import Delivery
from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.core.ports.worker import Output
from attune.host.environment import check_environment
from attune.host.executions import watchdog
from attune.host.executions.result import Lines, result_of
from attune.host.processes import signal_group

_CHUNK_BYTES = 32 * 1024
_PIPE_SECONDS = 0.5  # for somebody who left the group and holds the pipe
_NUL = "\N{SYMBOL FOR NULL}"


class HostWorkRunner:
    """`WorkRunner` on this host. *environment* is this process's, of which runs get what is harmless."""

    def __init__(self, environment: Mapping[str, str], *, grace_seconds: float = 3.0) -> None:
        self._passed_on = check_environment(environment)
        self._grace = grace_seconds
        self._watchdog: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def run(self, work: Work, output: Output) -> WorkOutcome:
        """Run *work* to its end. Cancelling the call ends the whole process group before it returns."""
        refusal = _refusal(work)
        if refusal:
            return WorkOutcome(WorkEnding.EXITED, exit_code=2, reason=refusal)
        folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="attune-run-")
        try:
            return await self._run_in(Path(folder), work, output)
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    async def close(self) -> None:
        """End the watchdog."""
        process, self._watchdog = self._watchdog, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()

    async def _run_in(self, folder: Path, work: Work, output: Output) -> WorkOutcome:
        began = time.monotonic()
        await self._start_watchdog()
        stdin = await asyncio.to_thread(_stdin_of, work)
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 - a millisecond, and nobody can be cancelled amid it
                _argv(work),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=self._environment(work, folder),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return WorkOutcome(WorkEnding.NOT_STARTED, reason=_not_started(work, error))
        finally:
            os.close(stdin)
        self._tell("+", process.pid)
        run = _Run(process, work, output, self._grace)
        try:
            ended = await run.until_ended()
        finally:
            await asyncio.shield(run.reap())
            self._tell("-", process.pid)
        result, problem = await asyncio.to_thread(result_of, work.result_file, folder, run.lines)
        code = process.returncode if process.returncode is not None else 0
        return WorkOutcome(
            ended,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            result=result,
            result_problem=problem,
            reason=_reason(ended, code, work, run.last_said),
            duration_seconds=time.monotonic() - began,
            dropped_bytes=run.dropped,
        )

    def _environment(self, work: Work, folder: Path) -> dict[str, str]:
        environment = {**self._passed_on, "PYTHONUNBUFFERED": "1", "HOME": str(folder), "TMPDIR": str(folder)}
        environment.update(work.environment)
        if work.delivery is Delivery.ENV:
            for name, value in work.parameters.items():
                if name not in work.secrets:
                    environment[f"ATTUNE_PARAM_{name.upper()}"] = _text(value)
        return environment

    async def _start_watchdog(self) -> None:
        async with self._starting:
            if self._watchdog is None or self._watchdog.returncode is not None:
                self._watchdog = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-I", "-S", str(Path(watchdog.__file__))),
                    stdin=asyncio.subprocess.PIPE,
                    start_new_session=True,
                    env=self._passed_on,
                    cwd="/",
                )

    def _tell(self, sign: str, group: int) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None and not self._watchdog.stdin.is_closing():
            with contextlib.suppress(ConnectionError):
                self._watchdog.stdin.write(f"{sign}{group}\n".encode())


class _Run:
    """One process and what it prints."""

    def __init__(self, process: subprocess.Popen[bytes], work: Work, output: Output, grace: float) -> None:
        self._process = process
        self._work = work
        self._output = output
        self._grace = grace
        self._readers = [
            asyncio.create_task(self._read(process.stdout, "stdout")),
            asyncio.create_task(self._read(process.stderr, "stderr")),
        ]
        self.lines = Lines()
        self.last_said = ""
        self.dropped = 0

    async def until_ended(self) -> WorkEnding:
        """Wait for it, or end it when its time is over."""
        try:
            async with asyncio.timeout(self._work.timeout_seconds):
                await self._exit()
        except TimeoutError:
            await self._stop()
            return WorkEnding.TIMED_OUT
        except asyncio.CancelledError:
            await asyncio.shield(self._stop())
            raise
        return WorkEnding.SIGNALED if (self._process.returncode or 0) < 0 else WorkEnding.EXITED

    async def reap(self) -> None:
        """End what is left of its group, and take what was printed last."""
        signal_group(self._process.pid, signal.SIGKILL)
        await asyncio.wait(self._readers, timeout=_PIPE_SECONDS)
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _stop(self) -> None:
        signal_group(self._process.pid, signal.SIGTERM)
        signal_group(self._process.pid, signal.SIGCONT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await self._exit()
        signal_group(self._process.pid, signal.SIGKILL)
        await self._exit()

    async def _exit(self) -> None:
        """Wait for the process alone, whoever else may hold its pipes."""
        loop, exited = asyncio.get_running_loop(), asyncio.Event()
        if self._process.poll() is not None:
            return
        pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(pidfd, exited.set)
        try:
            await exited.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        self._process.wait()

    async def _read(self, pipe: IO[bytes] | None, stream: str) -> None:
        assert pipe is not None
        reader = asyncio.StreamReader(limit=_CHUNK_BYTES)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            await self._pass_on(reader, stream)
        finally:
            transport.close()

    async def _pass_on(self, pipe: asyncio.StreamReader, stream: str) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        kept = 0
        while True:
            data = await pipe.read(_CHUNK_BYTES)
            if stream == "stdout":
                self.lines.feed(data)
            room = max(0, self._work.output_limit - kept)
            text = decoder.decode(data[:room], final=not data)
            self.dropped += len(data[room:])
            kept += len(data)
            if stream == "stderr" and text.strip():
                self.last_said = text.strip().splitlines()[-1]
            if text:
                await self._output(stream, text.replace("\0", _NUL))
            if not data:
                return


def _argv(work: Work) -> list[str]:
    argv = [work.interpreter, *work.interpreter_args] if work.interpreter else []
    argv.append(str(work.entrypoint))
    if work.delivery is Delivery.ARGS:
        argv += [f"--{name}={_text(value)}" for name, value in work.parameters.items() if name not in work.secrets]
    return argv


def _stdin_of(work: Work) -> int:
    """A file that holds what the work reads: no writer that could be blocked, and no name that could be read."""
    hidden = work.delivery is not Delivery.STDIN
    handed_over = {name: value for name, value in work.parameters.items() if not hidden or name in work.secrets}
    number = os.memfd_create("parameters")
    with os.fdopen(os.dup(number), "wb") as file:
        file.write(json.dumps(handed_over, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    os.lseek(number, 0, os.SEEK_SET)
    return number


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _refusal(work: Work) -> str:
    """What keeps its parameters from being handed over, or ""."""
    if work.delivery is Delivery.STDIN:
        return ""
    for name, value in work.parameters.items():
        if name not in work.secrets and "\0" in _text(value):
            return f"parameters.{name}: expected text without NUL, got {shown(value)}"
    return ""


def _not_started(work: Work, error: Exception) -> str:
    what = work.interpreter or str(work.entrypoint)
    why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
    return f"{what} could not be executed: {why}"


def _reason(ending: WorkEnding, code: int, work: Work, last_said: str) -> str:
    if ending is WorkEnding.TIMED_OUT:
        return f"ran longer than {work.timeout_seconds:g} s"
    said = f"; last it said: {legible(last_said, 200)}" if last_said else ""
    if code < 0:
        return f"was killed by signal {-code} ({signal.Signals(-code).name}){said}"
    return f"ended with exit code {code}{said}" if code else ""
