"""What this node writes of its executions: many at once in one statement, again and again until it is stored."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from attune.agent.control import first_of
from attune.agent.logs import log
from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError
from attune.core.matching.fleet import Node
from attune.core.ports.worker import AttemptResult, AttemptStart, AttemptStore, Output, OutputChunk, StartedAttempt
from attune.operations.nodes.refusals import Refusals

_MOST = 200  # in one statement
_MOST_TEXT = 1024 * 1024  # characters that wait to be stored before whoever prints is held up
_PRINT_SECONDS = 0.1
_GATHER_SECONDS = 0.003
_RETRY = Backoff(0.05, 2.0)


@dataclass(frozen=True, slots=True)
class _Start:
    wanted: AttemptStart
    node: Node
    answer: asyncio.Future[StartedAttempt | None]


@dataclass(frozen=True, slots=True)
class _End:
    result: AttemptResult
    stored: asyncio.Future[None]


class ResultWriter:
    """Starts, output and ends. *disowned* is told of executions that another node has got meanwhile."""

    def __init__(self, store: AttemptStore, running: Callable[[], int], disowned: Callable[[int], None]) -> None:
        self._store = store
        self._running = running
        self._disowned = disowned
        self._starts: list[_Start] = []
        self._ends: list[_End] = []
        self._ending: set[int] = set()
        self._chunks: list[OutputChunk] = []
        self._waiting_text = 0
        self._room = asyncio.Event()
        self._has_starts, self._has_output, self._has_ends = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._worker: int | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.starting: set[int] = set()
        self.unconfirmed: set[int] = set()  # may have been started, but for the answer, and then do not run
        self.refusals = Refusals("output and results cannot be stored, they wait", "they are stored again", _RETRY)

    @property
    def pending(self) -> set[int]:
        """Executions that are about to be started, or whose end is not stored yet."""
        return self.starting | self._ending

    def begin(self) -> None:
        """Write from now on."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._write_starts()), asyncio.create_task(self._write_ends())]

    async def drained(self) -> None:
        """Wait until everything is stored."""
        while self.pending or self._chunks:
            self._has_output.set()
            await asyncio.sleep(0.01)

    async def close(self, seconds: float) -> None:
        """Store what can be stored within *seconds*, and stop. Whoever still waits for something is cancelled."""
        try:
            async with asyncio.timeout(seconds):
                await self.drained()
        except TimeoutError:
            text = f"{len(self._ending)} results could not be stored; their executions are run again"
            log.warning(text, executions=sorted(self._ending))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for start in self._starts:
            start.answer.cancel()
        for end in self._ends:
            end.stored.cancel()

    async def start(self, wanted: AttemptStart, node: Node) -> StartedAttempt | None:
        """Own the execution of a taken job for *node*; None if that is not to be, or could not be written."""
        answer: asyncio.Future[StartedAttempt | None] = asyncio.get_running_loop().create_future()
        execution = wanted.job.execution
        self.starting.add(execution)
        try:
            self._starts.append(_Start(wanted, node, answer))
            self._has_starts.set()
            return await answer
        finally:
            # Whoever runs it has noted that by the time anybody asks again.
            asyncio.get_running_loop().call_soon(self.starting.discard, execution)

    async def store(self, result: AttemptResult) -> None:
        """Write *result*, and return once it is stored, however long that takes."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending.add(result.execution)
        self._ends.append(_End(result, stored))
        self._has_output.set()
        self._has_ends.set()
        await stored

    def printer(self, started: StartedAttempt) -> Output:
        """Takes what the attempt *started* prints."""
        number = 0

        async def printed(stream: str, text: str) -> None:
            nonlocal number
            number += 1
            self._chunks.append(OutputChunk(started.execution, started.attempt, number, stream, text))
            self._waiting_text += len(text)
            self._has_output.set()
            while self._waiting_text > _MOST_TEXT:
                self._room.clear()
                await self._room.wait()

        return printed

    async def _write_starts(self) -> None:
        while True:
            await self._has_starts.wait()
            self._has_starts.clear()
            while self._starts:
                now, self._starts = self._starts[:_MOST], self._starts[_MOST:]
                node = now[0].node
                running = self._running() + len(now)
                if node.max_concurrent is not None:
                    running = min(running, node.max_concurrent)
                started: Any = {}
                try:
                    started = await self._store.start(
                        [start.wanted for start in now], worker=node.id, name=node.name, running=running
                    )
                except DatabaseError as error:
                    log.debug(f"executions could not be started: {error}")
                    self.unconfirmed |= {start.wanted.job.execution for start in now}
                self.unconfirmed -= started.keys()
                self._worker = node.id
                for start in now:
                    if not start.answer.done():
                        start.answer.set_result(started.get(start.wanted.job.execution))

    async def _write_ends(self) -> None:
        while True:
            await self._has_output.wait()
            self._has_output.clear()
            if not self._ends:  # output is gathered for a moment, unless something ends
                await first_of(self._has_ends, seconds=_PRINT_SECONDS)
            elif self.starting or self._running() > 1:  # others will end soon, too
                await asyncio.sleep(_GATHER_SECONDS)
            self._has_ends.clear()
            try:
                await self._print()
                await self._settle()
            except DatabaseError as error:
                await asyncio.sleep(self.refusals.failed(error))
                self._has_output.set()
            else:
                self.refusals.worked()

    async def _print(self) -> None:
        while self._chunks:
            now = self._chunks[:_MOST]
            owned = await self._store.print(now, self.refusals.tries)
            del self._chunks[: len(now)]
            self.refusals.tries = 0
            self._waiting_text -= sum(len(chunk.text) for chunk in now)
            if self._waiting_text <= _MOST_TEXT:
                self._room.set()
            for execution in {chunk.execution for chunk in now}.difference(owned):
                self._disowned(execution)

    async def _settle(self) -> None:
        while self._ends and not self._chunks:
            now = self._ends[:_MOST]
            running = max(0, self._running() - len(now))
            results = [end.result for end in now]
            stored = await self._store.settle(results, worker=self._worker, running=running, tries=self.refusals.tries)
            del self._ends[: len(now)]
            self.refusals.tries = 0
            for end in now:
                execution = end.result.execution
                self._ending.discard(execution)
                if execution not in stored:
                    text = f"execution {execution} was given to another node; what it did here is dropped"
                    log.warning(text, execution=execution)
                if not end.stored.done():
                    end.stored.set_result(None)
