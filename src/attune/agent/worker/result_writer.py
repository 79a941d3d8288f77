"""What this node writes of its executions: many at once in one statement, again and again until it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from attune.agent.logs import log
from attune.core.errors import DatabaseError
from attune.core.executions.work import Output
from attune.core.matching.fleet import Node
from attune.core.ports.executions import AttemptResult, OutputChunk, StartedAttempt
from attune.postgres.executions.store import PostgresExecutions

_MOST = 200  # in one statement
_MOST_TEXT = 1024 * 1024  # characters that wait to be stored before whoever prints is held up
_PRINT_SECONDS = 0.1
_GATHER_SECONDS = 0.003
_SLOWEST_SECONDS = 2.0

_Start = tuple[int, int, Mapping[str, Any], Node, asyncio.Future[StartedAttempt | None]]


class ResultWriter:
    """Starts, output and ends. *disowned* is told of executions that another node has got meanwhile."""

    def __init__(
        self, executions: PostgresExecutions, running: Callable[[], int], disowned: Callable[[int], None]
    ) -> None:
        self._executions = executions
        self._running = running
        self._disowned = disowned
        self._starts: list[_Start] = []
        self._starting: set[int] = set()
        self._ends: list[tuple[AttemptResult, asyncio.Future[None]]] = []
        self._ending: set[int] = set()
        self._pieces: list[OutputChunk] = []
        self._waiting_text = 0
        self._room = asyncio.Event()
        self._start_bell, self._end_bell, self._ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._worker: int | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pending(self) -> set[int]:
        """Executions that are about to be started, or whose end is not stored yet."""
        return self._starting | self._ending

    def begin(self) -> None:
        """Write from now on."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._write_starts()), asyncio.create_task(self._write_ends())]

    async def drained(self) -> None:
        """Wait until everything is stored."""
        while self._ends or self._ending or self._pieces:
            self._end_bell.set()
            await asyncio.sleep(0.01)

    async def close(self, seconds: float) -> None:
        """Store what can be stored within *seconds*, and stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.drained()
        except TimeoutError:
            log.warning(f"{len(self._ending)} results could not be stored; their executions are run again")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for *_, told in self._starts:
            told.cancel()

    async def start(
        self, job: int, execution: int, interpreters: Mapping[str, Any], node: Node
    ) -> StartedAttempt | None:
        """Own *execution*; None if it is not to be run, or if that could not be written."""
        told: asyncio.Future[StartedAttempt | None] = asyncio.get_running_loop().create_future()
        self._starting.add(execution)
        try:
            self._starts.append((job, execution, interpreters, node, told))
            self._start_bell.set()
            return await told
        finally:
            # Whoever runs it has noted that by the time anybody asks again.
            asyncio.get_running_loop().call_soon(self._starting.discard, execution)

    async def store(self, settled: AttemptResult) -> None:
        """Write *settled*, and return once it is stored, however long that takes."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending.add(settled.execution)
        self._ends.append((settled, told))
        self._end_bell.set()
        self._ended.set()
        await told

    def printer(self, started: StartedAttempt) -> Output:
        """Takes what the attempt *started* prints."""
        number = 0

        async def printed(stream: str, text: str) -> None:
            nonlocal number
            number += 1
            self._pieces.append(OutputChunk(started.execution, started.attempt, number, stream, text))
            self._waiting_text += len(text)
            self._end_bell.set()
            while self._waiting_text > _MOST_TEXT:
                self._room.clear()
                await self._room.wait()

        return printed

    async def _write_starts(self) -> None:
        while True:
            await self._start_bell.wait()
            self._start_bell.clear()
            while self._starts:
                now, self._starts = self._starts[:_MOST], self._starts[_MOST:]
                node = now[0][3]
                found: dict[int, StartedAttempt] = {}
                try:
                    taken = [(job, execution, interpreters) for job, execution, interpreters, _, _ in now]
                    running = min(self._running() + len(now), node.max_concurrent or 2**31 - 1)
                    found = await self._executions.start(taken, worker=node.id, name=node.name, running=running)
                except DatabaseError as error:
                    log.debug(f"executions could not be started: {error}")
                self._worker = node.id
                for _, execution, _, _, told in now:
                    if not told.done():
                        told.set_result(found.get(execution))

    async def _write_ends(self) -> None:
        pause = 0.05
        while True:
            await self._end_bell.wait()
            self._end_bell.clear()
            if not self._ends:  # output is gathered for a moment, unless something ends
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PRINT_SECONDS):
                        await self._ended.wait()
            elif self._starting or self._running() > 1:  # others will end soon, too
                await asyncio.sleep(_GATHER_SECONDS)
            self._ended.clear()
            try:
                await self._print()
                await self._settle()
                pause = 0.05
            except DatabaseError as error:
                log.debug(f"results wait for the database: {error}")
                await asyncio.sleep(pause)
                pause = min(2 * pause, _SLOWEST_SECONDS)
                self._end_bell.set()

    async def _print(self) -> None:
        while self._pieces:
            now = self._pieces[:_MOST]
            owned = await self._executions.print(now)
            del self._pieces[: len(now)]
            self._waiting_text -= sum(len(one.text) for one in now)
            if self._waiting_text <= _MOST_TEXT:
                self._room.set()
            for execution in {one.execution for one in now} - owned:
                self._disowned(execution)

    async def _settle(self) -> None:
        while self._ends and not self._pieces:
            now = self._ends[:_MOST]
            running = max(0, self._running() - len(now))
            stored = await self._executions.settle([one for one, _ in now], worker=self._worker, running=running)
            del self._ends[: len(now)]
            for settled, told in now:
                self._ending.discard(settled.execution)
                if settled.execution not in stored:
                    log.warning(f"execution {settled.execution} was given to another node; what it did here is dropped")
                if not told.done():
                    told.set_result(None)
