"""Takes executions for this node: reads the queues that it satisfies, and checks each job again before it begins."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from typing import Any

from attune.agent.control import first_of
from attune.agent.interpreters import interpreters_on
from attune.agent.logs import log
from attune.agent.secrets import SecretResolver
from attune.agent.worker.attempts import Attempts
from attune.agent.worker.classes import Classes
from attune.agent.worker.suspect_runtimes import SuspectRuntimes
from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError
from attune.core.executions.execution import ExecutionStatus
from attune.core.matching.fleet import Node
from attune.core.ports.packs import PackFolders
from attune.core.ports.worker import (
    AttemptStore,
    QueuedJob,
    Signal,
    WorkerInbox,
    WorkerNotice,
    WorkQueue,
    WorkRouting,
    WorkRunner,
)
from attune.core.runtimes.definition import StartOptions
from attune.operations.nodes.refusals import Refusals

_LOOK_SECONDS = 0.2
_TIDY_SECONDS = 1.0
_RECOVER_SECONDS = 5.0
_RETRY = Backoff(0.2, 5.0)
_LAST_SECONDS = 5.0
_LOOKED_INTO = 20  # queues at once: naming a thousand in a query costs more than the query
_AT_ONCE = 100  # jobs, where the node has no limit


@dataclass(eq=False)
class ExecutionRunner:
    """The executions of one node, None while it takes nothing.

    *suspect* is told the ref of a broken runtime, *unfit* why nothing can be run on this node. *recheck*
    verifies those whose files have changed since they were verified: the refs of those that fail, None where none has.
    """

    node: Callable[[], Node | None]
    _: KW_ONLY
    queue: WorkQueue
    routing: WorkRouting
    attempts: AttemptStore
    runner: WorkRunner
    packs: PackFolders
    secrets: SecretResolver
    suspect: Callable[[str], None]
    unfit: Callable[[str], None]
    recheck: Callable[[Collection[str]], Awaitable[Collection[str] | None]]
    broken: Callable[[str, str, float, int], Awaitable[str | None]]  # as in `Attempts`
    default_timeout: float | None
    start: Callable[[str], StartOptions] = lambda _: StartOptions()  # how work in the runtime of that ref is started
    alone: Callable[[], bool] = lambda: True  # no earlier process of this node can still be at its work
    _ready: dict[str, None] = field(default_factory=dict)  # queues that may have jobs
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _jobs: set[asyncio.Task[None]] = field(default_factory=set)
    _takes: set[asyncio.Task[None]] = field(default_factory=set)
    _finishing: bool = False

    def __post_init__(self) -> None:
        self._suspects = SuspectRuntimes()
        self._classes = Classes(self.routing)
        found = self.suspect, self.unfit, self._find_broken, self.default_timeout, self.start
        self._runs = Attempts(self.attempts, self.runner, self.packs, self.secrets, *found)

    @property
    def writers(self) -> Sequence[Refusals]:
        """Of output and results."""
        return (self._runs.results.refusals,)

    async def keep(self, stop: asyncio.Event) -> None:
        """Run executions until *stop* is set; whatever the database does, this goes on."""
        self._runs.results.begin()
        await first_of(stop, self._follow(stop), self._take())

    async def finish(self) -> None:
        """Take nothing new, and return when nothing runs any more and all results are stored."""
        self._finishing = True
        self._runs.tell_what_runs()
        if (node := self.node()) is not None:
            with suppress(DatabaseError):
                await self.routing.subscribe(node.id, ())
        while tasks := [*self._jobs, *self._takes]:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await self._runs.results.drained()

    async def close(self) -> None:
        """End at once what still runs; it is tried again elsewhere, or given up, as its action wants."""
        self._finishing = True
        await self._runs.close(_LAST_SECONDS)
        tasks = [*self._jobs, *self._takes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What it is told

    async def _follow(self, stop: asyncio.Event) -> None:
        refusals = Refusals("work waits for the database", "work waits no longer", _RETRY)
        while not stop.is_set():
            try:
                async with self.routing.listening() as inbox:
                    await self._classes.learn()
                    await self._recover()
                    await self._obey(inbox, stop, refusals.worked)
            except DatabaseError as error:
                await asyncio.sleep(refusals.failed(error))

    async def _obey(self, inbox: WorkerInbox, stop: asyncio.Event, worked: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        tidied = recovered = float("-inf")
        seen: object = None
        changed = True
        while not stop.is_set():
            node = self._taking_node()
            if changed or node is not seen:
                seen, changed = node, False
                await self._subscribe(inbox, node)
            if loop.time() - tidied > _TIDY_SECONDS:
                tidied = loop.time()
                changed = await self._classes.refresh()
                await self._tidy()
            if loop.time() - recovered > _RECOVER_SECONDS:
                recovered = loop.time()
                await self._recover()
            worked()
            for notice in await inbox.receive(_LOOK_SECONDS):
                changed = await self._obey_notice(notice) or changed

    async def _obey_notice(self, notice: WorkerNotice) -> bool:
        """Do what *notice* asks for; whether there is a class now that was not known before."""
        if notice.signal is Signal.JOB:
            seconds = self._classes.waits.get(notice.about, 0.0)
            asyncio.get_running_loop().call_later(seconds, self._look_into, [notice.about])
        elif notice.signal is Signal.CLASS:
            return await self._classes.learn(notice.about)
        elif notice.signal is Signal.REQUEST:
            await self._classify()
        elif notice.about.isdigit() and int(notice.about) in self._runs.known:
            await self._cancel()
        return False

    async def _cancel(self) -> None:
        """Cancel what is to be cancelled by its row: anybody who may connect can send a notification."""
        node = self.node()
        for attempt in await self.routing.held(node.id) if node is not None else ():
            if attempt.status == ExecutionStatus.CANCELING:
                self._runs.cancel(attempt.execution)

    async def _subscribe(self, inbox: WorkerInbox, node: Node | None) -> None:
        queues = self._classes.satisfied_by(node)
        await inbox.follow_queues(queues)
        known = node or self.node()
        if known is not None:
            await self.routing.subscribe(known.id, queues)
        self._look_into(await self.queue.filled(queues))

    async def _tidy(self) -> None:
        await self._classify()
        if self._classes.reads:
            await self.routing.promote(self._classes.reads)
            self._look_into(await self.queue.filled(self._classes.reads))
        await self.routing.tidy()

    async def _classify(self) -> None:
        while queues := await self.routing.classify():
            await self.routing.promote(queues)

    async def _recover(self) -> None:
        """Have attempts that nobody runs any more tried again or given up: of this node, and of nodes that are gone."""
        if (node := self.node()) is not None:
            before, begun = self._runs.known, dict(self._runs.begun)
            held = await self.routing.held(node.id)
            runs = before | self._runs.known
            await self._runs.resume({one: begun[one] for one in begun.keys() - {attempt.execution for attempt in held}})
            if self.alone() and (lost := [attempt for attempt in held if attempt.execution not in runs]):
                results = [one.lost(began=one.execution not in self._runs.results.unconfirmed) for one in lost]
                self._tell(len(await self.attempts.settle(results)))
        self._tell(await self.routing.settle_lost())

    @staticmethod
    def _tell(count: int) -> None:
        if count:
            log.info(f"{count} executions of workers that are gone are tried again or given up")

    # What it takes

    def _taking_node(self) -> Node | None:
        return None if self._finishing else self._suspects.without(self.node())

    def _look_into(self, queues: Collection[str]) -> None:
        self._ready = dict.fromkeys([*queues, *self._ready])
        self._wake.set()

    async def _take(self) -> None:
        refusals = Refusals("no jobs can be taken", "jobs are taken again", _RETRY)
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while free := self._free():
                    queues = self._next_queues()
                    if not queues:
                        break
                    # Whatever ends this loop, what is taken is begun or given back.
                    await asyncio.shield(self._begun(self._takes, self._take_from(queues, free)))
                    refusals.worked()
            except DatabaseError as error:
                await asyncio.sleep(refusals.failed(error))
                self._wake.set()

    def _free(self) -> int:
        """How many more executions may run here now."""
        if (node := self._taking_node()) is None:
            return 0
        return _AT_ONCE if node.max_concurrent is None else max(0, node.max_concurrent - len(self._jobs))

    def _next_queues(self) -> list[str]:
        """Some of the queues that may have jobs; they are looked into again only if there is reason to."""
        while self._ready:
            queues = list(islice(self._ready, _LOOKED_INTO))
            for queue in queues:
                del self._ready[queue]
            if read := [queue for queue in queues if queue in self._classes.reads]:
                return read
        return []

    async def _take_from(self, queues: Collection[str], limit: int) -> None:
        try:
            taken = await self.queue.take(queues, limit, self._classes.waits)
        except DatabaseError:
            self._look_into(queues)
            raise
        log.debug(f"took {len(taken)} of at most {limit} jobs", executions=[job.execution for job in taken])
        if len(taken) == limit:  # there may be more
            self._look_into(queues)
        for job in taken:
            self._begun(self._jobs, self._run(job)).add_done_callback(lambda _: self._wake.set())

    @staticmethod
    def _begun(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def _run(self, job: QueuedJob) -> None:
        """Run what *job* is for, unless this node must not: then others may take it."""
        if attempt := self._runs.begun.get(job.execution):  # it was lost, and is still at it
            return await self._runs.resume({job.execution: attempt})
        node, requirement = self._taking_node(), self._classes.requirement(job.queue)
        if node is None or requirement is None:
            return await self._give_back(job)
        interpreters, missing = interpreters_on(requirement, node)
        why = "is not there"
        failing = None if missing else await self.recheck({used["ref"] for used in interpreters.values()})
        if failing is not None:
            missing = {ref: node.capabilities[ref].name for ref in failing}
            why = "has changed since it was verified, and fails now"
            node = self._taking_node() or node
            if not missing:
                interpreters, missing = interpreters_on(requirement, node)
        if not missing:
            return await self._runs.run(job, interpreters, node)
        reason = f"given back by worker {node.name}: the interpreter of {', '.join(missing.values())} {why}"
        log.warning(f"execution {job.execution}: {reason}", execution=job.execution)
        for ref in missing:
            self._suspects.add(ref)
            self.suspect(ref)
        self._classes.satisfied_by(self._taking_node())
        await self._give_back(job, reason)

    async def _find_broken(self, ref: str, interpreter: str, ran_seconds: float, given_back: int) -> str | None:
        if why := await self.broken(ref, interpreter, ran_seconds, given_back):
            self._suspects.add(ref)
            self._classes.satisfied_by(self._taking_node())
        return why

    async def _give_back(self, job: QueuedJob, reason: str = "") -> None:
        try:
            if reason:
                await self.attempts.note(job.execution, reason)
            await self.queue.give_back([job])
        except DatabaseError as error:  # it is offered again by itself, only later
            log.debug(f"execution {job.execution} could not be given back: {error}", execution=job.execution)
