"""Runs executions on this node: reads the queues that it satisfies, checks each job once more, runs it, keeps its end.

What to read is `classes.py`; storing what came of it `result_writer.py`; what others left behind `lost_executions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any

from attune.agent.logs import log
from attune.agent.worker.classes import Classes
from attune.agent.worker.lost_executions import LostExecutions
from attune.agent.worker.result_writer import ResultWriter
from attune.agent.worker.suspect_runtimes import SuspectRuntimes, interpreters_on
from attune.core.errors import AttuneError, DatabaseError
from attune.core.executions.action import OnLost, with_defaults
from attune.core.executions.execution import RetryRule, after_loss, after_outcome
from attune.core.executions.queue import WorkQueue
from attune.core.executions.work import PackFolders, Work, WorkEnding, WorkOutcome, WorkRunner
from attune.core.matching.fleet import Node
from attune.core.ports.executions import AttemptResult, StartedAttempt
from attune.postgres.executions.routing import CLASSES, QUEUE_CHANNEL, REQUESTS, Listener, PostgresRouting
from attune.postgres.executions.store import CANCELS, PostgresExecutions

_LOOK_SECONDS = 0.2
_TIDY_SECONDS = 1.0
_RESCUE_SECONDS = 5.0
_RETRY_SECONDS = (0.2, 5.0)
_LAST_SECONDS = 5.0
_UNREMARKABLE = ("completed", "cancelled")


class ExecutionRunner:
    """The executions of one node, beside its heartbeat.

    *node* gives the node as the matcher sees it, None while it takes nothing; *suspect* is told the capability name of
    a runtime that work has found broken.
    """

    def __init__(
        self,
        node: Callable[[], Node | None],
        executions: PostgresExecutions,
        routing: PostgresRouting,
        runner: WorkRunner,
        packs: PackFolders,
        suspect: Callable[[str], None],
        default_timeout: float | None,
    ) -> None:
        self._node = node
        self._executions = executions
        self._routing = routing
        self._runner = runner
        self._packs = packs
        self._suspect = suspect
        self._default_timeout = default_timeout
        self._running: dict[int, asyncio.Task[WorkOutcome]] = {}
        self._taking: set[asyncio.Task[Any]] = set()
        self._cancelled: set[int] = set()
        self._doubts = SuspectRuntimes()
        self._finishing = False
        self.classes = Classes(routing)
        self.ledger = ResultWriter(executions, lambda: len(self._running), self._disowned)
        self.rescue = LostExecutions(executions, routing)
        self.queue: WorkQueue

    @property
    def running(self) -> int:
        """How many executions run here now."""
        return len(self._running)

    async def keep(self, stop: asyncio.Event) -> None:
        """Run executions until *stop* is set; whatever the database does, this goes on."""
        taking = asyncio.create_task(self.queue.keep())
        self.ledger.begin()
        pause = _RETRY_SECONDS[0]
        try:
            while not stop.is_set():
                try:
                    async with self._routing.listening() as ear:
                        await self._begin()
                        pause = _RETRY_SECONDS[0]
                        await self._follow(ear, stop)
                except DatabaseError as error:
                    log.debug(f"work waits for the database: {error}")
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _RETRY_SECONDS[1])
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def finish(self) -> None:
        """Take nothing new, and return when nothing runs any more and all results are stored."""
        self._finishing = True
        self.queue.read(())
        node = self._node()
        if node is not None:
            with suppress(DatabaseError):
                await self._routing.subscribe(node.id, ())
        while self._running or self._taking:
            await asyncio.wait([*self._running.values(), *self._taking], return_when=asyncio.FIRST_COMPLETED)
        await self.ledger.drained()

    async def close(self) -> None:
        """End at once what still runs; it is tried again elsewhere, or given up, as its action wants."""
        self._finishing = True
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), *self._taking, return_exceptions=True)
        await self.ledger.close(_LAST_SECONDS)
        await self._runner.close()

    # What to take

    async def _begin(self) -> None:
        """After a connection is made: nothing that was told before may be missed."""
        await self.classes.read_all()
        await self._rescue()

    async def _rescue(self) -> None:
        node = self._node()
        if node is not None:
            await self.rescue.own(node.id, lambda: {*self._running, *self.ledger.pending})
        await self.rescue.others()
        await self.queue.rescue()

    async def _follow(self, ear: Listener, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        tidied = rescued = float("-inf")
        seen: object = None
        dirty = True
        while not stop.is_set():
            node = None if self._finishing else self._doubts.without(self._node())
            if dirty or node is not seen:
                seen, dirty = node, False
                await self._subscribe(ear, node)
            if loop.time() - tidied > _TIDY_SECONDS:
                tidied = loop.time()
                await self._tidy()
            if loop.time() - rescued > _RESCUE_SECONDS:
                rescued = loop.time()
                await self._rescue()
            for channel, payload in await ear.receive(_LOOK_SECONDS):
                if channel.startswith(QUEUE_CHANNEL):
                    self.queue.notify([channel.removeprefix(QUEUE_CHANNEL)])
                elif channel == CLASSES:
                    dirty = await self.classes.learn(payload) or dirty
                elif channel == REQUESTS:
                    await self._classify()
                elif channel == CANCELS and payload.isdigit():
                    self._cancel(int(payload))

    async def _subscribe(self, ear: Listener, node: Node | None) -> None:
        queues = self.classes.satisfied_by(node) if node is not None else frozenset()
        self.queue.read(queues)
        await ear.follow_queues(queues)
        known = self._node()
        if known is not None or node is not None:
            await self._routing.subscribe((node or known).id, queues)  # type: ignore[union-attr]
        self.queue.notify(await self._routing.offered(queues) if queues else ())

    async def _tidy(self) -> None:
        await self._classify()
        if self.classes.reads:
            await self._routing.promote(self.classes.reads)
            self.queue.notify(await self._routing.offered(self.classes.reads))
        await self._routing.tidy()

    async def _classify(self) -> None:
        while queues := await self._routing.classify():
            await self._routing.promote(queues)

    # What was taken

    async def take(self, job: int, execution: int, queue: str) -> bool:
        """Run the work of *job*, unless this node must not; False gives the job back."""
        task = asyncio.current_task()
        assert task is not None
        self._taking.add(task)
        try:
            return await self._take(job, execution, queue)
        finally:
            self._taking.discard(task)

    async def _take(self, job: int, execution: int, queue: str) -> bool:
        node = None if self._finishing else self._doubts.without(self._node())
        requirement = self.classes.requirement(queue)
        if node is None or requirement is None:
            return False
        interpreters, missing = interpreters_on(requirement, node)
        if missing:
            reason = f"given back by worker {node.name}: the interpreter of {', '.join(missing)} is not there"
            log.warning(f"execution {execution}: {reason}")
            await self._executions.note(execution, reason)
            for name in missing:
                self._doubts.add(name)
                self._suspect(name)
            self.queue.read(self.classes.satisfied_by(self._doubts.without(node)))
            return False
        started = await self.ledger.start(job, execution, interpreters, node)
        if started is None:
            return True
        run = asyncio.create_task(self._run(started, interpreters, node))
        self._running[execution] = run
        if execution in self._cancelled:
            run.cancel()
        try:
            outcome = await run
        except asyncio.CancelledError:
            outcome = WorkOutcome(WorkEnding.CANCELLED, reason="cancelled while it ran")
        except AttuneError as error:
            outcome = WorkOutcome(WorkEnding.NOT_STARTED, reason=str(error))
        except Exception as error:
            outcome = WorkOutcome(WorkEnding.NOT_STARTED, reason=f"this node failed to run it: {error!r}")
        finally:
            del self._running[execution]
        settled = self._settled(started, outcome, node)
        await self.ledger.store(settled)
        tell = log.info if settled.status in _UNREMARKABLE else log.warning
        why = f": {settled.reason}" if settled.reason else ""
        took = f"{outcome.duration_seconds:.2f} s"
        tell(f"execution {execution} of {started.action.ref}: {settled.status} after {took}{why}")
        return True

    async def _run(self, started: StartedAttempt, interpreters: Mapping[str, Any], node: Node) -> WorkOutcome:
        action = started.action
        folder = await self._packs.folder(action.pack_digest) if action.pack_digest else None
        entrypoint = PurePath(action.entrypoint) if folder is None else folder / "actions" / action.entrypoint
        work = Work(
            entrypoint=entrypoint,
            interpreter=interpreters.get(action.runtime or "", {}).get("path"),
            interpreter_args=action.interpreter_args,
            parameters=with_defaults(action.param_schema, started.parameters),
            secrets=action.secrets,
            delivery=action.delivery,
            environment={
                **{f"ATTUNE_RUNTIME_{_variable(name)}": one["path"] for name, one in interpreters.items()},
                "ATTUNE_ACTION": action.ref,
                "ATTUNE_EXECUTION": str(started.execution),
                "ATTUNE_ATTEMPT": str(started.attempt),
                "ATTUNE_WORKER": node.name,
                **({"ATTUNE_PACK_FOLDER": str(folder)} if folder is not None else {}),
            },
            timeout_seconds=started.timeout_seconds or self._default_timeout,
            result_file=action.result_file,
        )
        return await self._runner.run(work, self.ledger.printer(started))

    def _settled(self, started: StartedAttempt, outcome: WorkOutcome, node: Node) -> AttemptResult:
        asked = started.execution in self._cancelled
        self._cancelled.discard(started.execution)
        if outcome.ending is WorkEnding.CANCELLED and not asked:  # this node ends
            then = after_loss(_rule(started), worker=node.name, losses=started.losses)
            return AttemptResult(started.execution, started.attempt, then.status.value, then.reason, lost=True)
        if outcome.ending is WorkEnding.NOT_STARTED and started.action.runtime:
            self._suspect(started.action.runtime)
        then = after_outcome(
            outcome, _rule(started), failures=started.failures, losses=started.losses, cancel_asked=asked
        )
        reason = then.reason
        if outcome.succeeded and outcome.result_problem:
            reason = outcome.result_problem
        return AttemptResult(
            started.execution,
            started.attempt,
            then.status.value,
            reason,
            outcome.result,
            outcome.exit_code,
            outcome.dropped_bytes,
            then.delay_seconds,
            failed=then.counts,
            lost=outcome.ending is WorkEnding.NOT_STARTED,
        )

    def _cancel(self, execution: int) -> None:
        run = self._running.get(execution)
        if run is not None:
            self._cancelled.add(execution)
            run.cancel()

    def _disowned(self, execution: int) -> None:
        """It was given to another while this node was not heard of."""
        run = self._running.get(execution)
        if run is not None:
            log.warning(f"execution {execution} was given to another node; it is ended here")
            self._cancelled.add(execution)
            run.cancel()


def _rule(started: StartedAttempt) -> RetryRule:
    return RetryRule(started.retries, started.retry_delay_seconds, OnLost(started.on_lost))


def _variable(name: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in name.upper())
