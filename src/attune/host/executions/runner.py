"""Runs one action as a process of this host, its parameters hidden from `ps`.

What it prints goes on in pieces while it runs. What its output means is `result.py`.
"""

import asyncio
import codecs
import os
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from attune.core.errors import UsageError, legible
from attune.core.executions.action import SEEN, Delivery
from attune.core.executions.delivery import arguments_of, document_of, value_faults, variables_of
from attune.core.executions.masking import Masker
from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.core.ports.worker import Output
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.launch import ACTION, ProgramKind
from attune.host.contract.start_fault import blame
from attune.host.contract.supervisors import Ended, News, NotStarted, Started
from attune.host.executions.kept_output import KeptOutput
from attune.host.executions.result import Lines, result_of

_CHUNK_BYTES = 32 * 1024
_PIPE_SECONDS = 0.5  # for somebody else who was handed the pipe
_NUL = "\N{SYMBOL FOR NULL}"


class HostWorkRunner:
    """`WorkRunner` on this host, under its *contract*; *output_kept* bytes of each stream are handed on."""

    def __init__(self, contract: ExecutionContract, kind: ProgramKind = ACTION, output_kept: int = 1 << 20) -> None:
        self._contract = contract
        self._kind = kind
        self._kept = output_kept

    async def run(self, work: Work, output: Output) -> WorkOutcome:
        """Run *work* to its end. Cancelling the call ends all that it started before it returns."""
        if faults := [*islice(value_faults(work.delivery, _open(work)), 3)]:  # it cannot be handed over
            return WorkOutcome(WorkEnding.REFUSED, reason="; ".join(map(str, faults)))
        try:
            stdin = await asyncio.to_thread(_stdin_of, work)
            try:
                run = _Run(self._contract, self._kind, stdin, work, output, self._kept)
            finally:
                os.close(stdin)
        except (OSError, UsageError) as error:
            return _not_started(work, error)
        try:
            ended = await run.until_ended()
            return await self._outcome(work, run, ended)
        finally:
            await asyncio.shield(asyncio.to_thread(run.close))

    async def _outcome(self, work: Work, run: "_Run", ended: NotStarted | Ended) -> WorkOutcome:
        if isinstance(ended, NotStarted):
            return _not_started(work, ended.error)
        mask = run.masker.mask
        result, problem = await asyncio.to_thread(result_of, work.result_file, run.folder, run.lines, mask)
        masked = mask(result)
        if masked != result:
            problem = "its result holds a secret, which is shown as ***"
        code = ended.status
        return WorkOutcome(
            ending := _ending(ended),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            result=masked,
            result_problem=problem,
            reason=_reason(ending, code, work, run.last_said),
            duration_seconds=ended.seconds,
            dropped_bytes=run.dropped,
        )


class _Run:
    """One process and what it prints. Raises `OSError` and `UsageError` where it cannot be started."""

    def __init__(
        self, contract: ExecutionContract, kind: ProgramKind, stdin: int, work: Work, output: Output, kept: int
    ) -> None:
        self._contract = contract
        self._work = work
        self._output = output
        self._kept = kept
        self._last: News | None = None
        self.lines = Lines()
        self.masker = Masker(work.masked)
        self.last_said = ""
        self.dropped = 0
        argv, variables, seconds = _argv(work), _variables(work), work.timeout_seconds
        if work.grace_seconds is not None:
            kind = replace(kind, grace_seconds=work.grace_seconds)
        pipes: dict[str, tuple[int, int]] = {}
        try:
            for stream in ("stdout", "stderr"):
                pipes[stream] = os.pipe2(os.O_CLOEXEC)
            streams = (stdin, pipes["stdout"][1], pipes["stderr"][1])
            entry = str(work.entrypoint)
            given = document_of(work.parameters, work.delivery) if work.delivery.endswith("file") else None
            self._program = contract.start(
                kind, argv, argv[0], streams, entry=entry, variables=variables, parameters=given, seconds=seconds
            )
        except BaseException:
            for reading, _ in pipes.values():
                os.close(reading)
            raise
        finally:
            for _, writing in pipes.values():
                os.close(writing)
        self._readers = [asyncio.create_task(self._read(reading, stream)) for stream, (reading, _) in pipes.items()]

    @property
    def folder(self) -> Path:
        """Where it runs."""
        return Path(self._program.folder)

    async def until_ended(self) -> NotStarted | Ended:
        """Wait until nothing of it is left and all is read. Being cancelled ends it first."""
        ending = asyncio.create_task(self._news())
        try:
            return await asyncio.shield(ending)
        except asyncio.CancelledError:
            self._program.stop()
            await asyncio.shield(ending)
            raise

    async def _news(self) -> NotStarted | Ended:
        while isinstance(news := await self._program.news(), Started):
            pass
        await asyncio.wait(self._readers, timeout=_PIPE_SECONDS)
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._last = news
        return news

    def close(self) -> None:
        """Let go of its folder and of what supervised it."""
        self._contract.end(self._program, self._last)

    async def _read(self, fd: int, stream: str) -> None:
        reader = asyncio.StreamReader(limit=_CHUNK_BYTES)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb"))
        try:
            await self._pass_on(reader, stream)
        finally:
            transport.close()

    async def _pass_on(self, pipe: asyncio.StreamReader, stream: str) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        masker = Masker(self._work.masked)
        kept = KeptOutput(self._kept)
        while True:
            try:
                data = await pipe.read(_CHUNK_BYTES)
            except asyncio.CancelledError:  # what was held back is still told
                data = b""
            if stream == "stdout":
                self.lines.feed(data)
            text = masker.feed(decoder.decode(data, final=not data), final=not data)
            if stream == "stderr" and text.strip():
                self.last_said = text.strip().splitlines()[-1]
            text = kept.feed(text) + (kept.end() if not data else "")
            for at in range(0, len(text), _CHUNK_BYTES):
                await self._output(stream, text[at : at + _CHUNK_BYTES].replace("\0", _NUL))
            if not data:
                self.dropped += kept.dropped
                return


def _ending(ended: Ended) -> WorkEnding:
    if ended.by == "time":
        return WorkEnding.TIMED_OUT
    return WorkEnding.EXITED if ended.status is not None and ended.status >= 0 else WorkEnding.SIGNALED


def _variables(work: Work) -> dict[str, str]:
    return {**work.environment, **variables_of(work.delivery, _open(work), work.positional)}


def _argv(work: Work) -> list[str]:
    argv = [work.interpreter, *work.interpreter_args] if work.interpreter else []
    argv.append(str(work.entrypoint))
    return argv + arguments_of(_open(work), work.positional) if work.delivery is Delivery.ARGS else argv


def _open(work: Work) -> dict[str, Any]:
    """The parameters that come as the delivery says: without secrets, where others could see them."""
    return {
        name: value for name, value in work.parameters.items() if work.delivery not in SEEN or name not in work.secrets
    }


def _stdin_of(work: Work) -> int:
    """A file that holds what the work reads: no writer that could be blocked, and no name that could be read."""
    number = os.memfd_create("parameters")
    if work.delivery in SEEN:
        secrets = {name: value for name, value in work.parameters.items() if name in work.secrets}
        os.pwrite(number, document_of(secrets), 0)
    elif not work.delivery.endswith("file"):
        os.pwrite(number, document_of(work.parameters, work.delivery), 0)
    return number


def _not_started(work: Work, error: Exception) -> WorkOutcome:
    ending, reason = blame(error, _argv(work)[0], str(work.entrypoint))
    return WorkOutcome(ending, reason=f"nothing can be run: {reason}" if ending is WorkEnding.NO_PLACE else reason)


def _reason(ending: WorkEnding, code: int | None, work: Work, last_said: str) -> str:
    if ending is WorkEnding.TIMED_OUT:
        return f"ran longer than {work.timeout_seconds:g} s"
    said = f"; last it said: {legible(last_said, 200)}" if last_said else ""
    if code is None:
        return f"was ended, since what supervised it was killed or stopped{said}"
    if code < 0:
        return f"was killed by signal {-code} ({signal.Signals(-code).name}){said}"
    return f"ended with exit code {code}{said}" if code else ""
