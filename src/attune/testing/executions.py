"""Executions in memory: their queues, and what workers write of them."""

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from attune.core.errors import DatabaseError
from attune.core.executions.action import Action
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import (
    AttemptResult,
    AttemptStart,
    HeldAttempt,
    OutputChunk,
    QueuedJob,
    Signal,
    StartedAttempt,
    WorkerNotice,
)
from attune.testing.execution_rows import MemoryExecution, MemoryInbox, started_attempt


class MemoryExecutions:
    """`WorkQueue`, `WorkRouting`, `AttemptStore`, `ExecutionWriter`: offline while `away`; who is `dead` has died."""

    def __init__(self) -> None:
        self.rows: dict[int, MemoryExecution] = {}
        self.printed: dict[tuple[int, int, int], OutputChunk] = {}
        self.readers: dict[int, set[str]] = {}
        self.dead: set[int] = set()
        self.away = False
        self.paused: dict[str | None, str] = {}
        self.labels: set[str] = set()  # names that only labels of nodes have
        self._classes: dict[str, str] = {}
        self._jobs: dict[int, QueuedJob] = {}
        self._taken: set[int] = set()
        self._inboxes: list[MemoryInbox] = []
        self._last_job = 0

    def require_database(self) -> None:
        """Raises `DatabaseError` while it is away."""
        if self.away:
            raise DatabaseError("cannot reach the database: it is away")

    async def submit(self, asked: Sequence[NewExecution]) -> list[int]:
        self.require_database()
        rows = [self._added(new) for new in asked]
        for row in rows:
            self._classify(row)
            later = row.asked.not_before and (row.asked.not_before - datetime.now(UTC)).total_seconds()
            if (delay := row.asked.delay_seconds or later or 0.0) > 0:
                row.not_before = time.monotonic() + delay
                row.change("scheduling")
            elif not self._offer(row):
                row.record("requested")
        return [row.id for row in rows]

    def request(self, action: Action) -> int:
        """Record an execution without a class, as a rule does; its id."""
        row = self._added(NewExecution(action))
        self._tell(Signal.REQUEST, "")
        return row.id

    async def cancel(self, executions: Sequence[int], reason: str | None = None) -> Mapping[int, str]:
        self.require_database()
        rows = [row for row in map(self.rows.get, executions) if row is not None]
        changed = [row for row in rows if row.status in ("requested", "scheduling", "scheduled", "running")]
        for row in changed:
            row.change("canceling" if row.status == "running" else "cancelled", reason)
            self._withdraw(row)
            if row.status == "canceling":
                self._tell(Signal.CANCEL, str(row.id))
        return {row.id: row.status for row in changed}

    async def set_paused(self, action_ref: str | None, by: str | None) -> bool:
        self.require_database()
        changed = (action_ref in self.paused) == (by is None)
        self.paused.pop(action_ref, None)
        if by is not None:
            self.paused[action_ref] = by
        for row in self.rows.values():
            if by is not None and row.status == "scheduled" and action_ref in (None, row.asked.action.ref):
                self._withdraw(row)
                row.change("requested")
        return changed

    async def refuse(self, execution: int, status: str, reason: str) -> bool:
        self.require_database()
        row = self.rows[execution]
        if row.status != "requested":
            return False
        row.change(status, reason)
        return True

    # WorkQueue

    async def take(
        self, queues: Collection[str], limit: int, waits: Mapping[str, float] | None = None
    ) -> Sequence[QueuedJob]:
        self.require_database()
        free = [job for job in self._jobs.values() if job.queue in queues and job.id not in self._taken]
        ages = {job.queue: self.rows[job.execution].timeline[-1].at for job in reversed(free)}
        now = datetime.now(UTC)
        free = [job for job in free if (now - ages[job.queue]).total_seconds() >= (waits or {}).get(job.queue, 0.0)]
        taken = sorted(free, key=lambda job: -self.rows[job.execution].priority)[: max(0, limit)]
        self._taken |= {job.id for job in taken}
        return taken

    async def give_back(self, jobs: Collection[QueuedJob]) -> None:
        self.require_database()
        self._taken -= {job.id for job in jobs}

    async def filled(self, queues: Collection[str]) -> Sequence[str]:
        self.require_database()
        return sorted({job.queue for job in self._jobs.values() if job.id not in self._taken} & {*queues})

    # WorkRouting

    async def classes(self, queue: str | None = None) -> Mapping[str, str]:
        self.require_database()
        return {name: text for name, text in self._classes.items() if queue in (None, name)}

    async def label_names(self, names: Collection[str]) -> set[str]:
        self.require_database()
        return self.labels.intersection(names)

    async def subscribe(self, worker: int, queues: Collection[str]) -> None:
        self.require_database()
        self.readers[worker] = set(queues) & {*self._classes}
        await self.promote(queues)

    async def promote(self, queues: Collection[str]) -> int:
        self.require_database()
        rows = sorted(self.rows.values(), key=lambda row: -row.priority)
        waiting = [row for row in rows if row.status == "requested" and row.queue in queues]
        return sum([self._offer(row) for row in waiting])

    async def classify(self) -> Sequence[str]:
        return sorted({self._classify(row) for row in self.rows.values() if row.queue is None})

    async def tidy(self) -> int:
        self.require_database()
        moved = 0
        for row in self.rows.values():
            if row.status == "scheduling" and row.not_before <= time.monotonic():
                row.change("requested", row.reason)
                moved += self._offer(row)
            elif row.status == "scheduled" and not self._is_live(row.queue):
                self._withdraw(row)
                row.change("requested", row.reason)
                moved += 1
        return moved

    async def settle_lost(self) -> int:
        lost = [attempt.lost() for worker in sorted(self.dead) for attempt in await self.held(worker)]
        settled = await self.settle(lost)
        for row in map(self.rows.__getitem__, settled):
            row.lost_attempt = row.attempt
        return len(settled)

    async def held(self, worker: int) -> Sequence[HeldAttempt]:
        self.require_database()
        return [
            HeldAttempt(
                execution=row.id,
                attempt=row.attempt,
                on_lost=row.asked.action.on_lost.value,
                losses=row.losses,
                status=row.status,
                worker_name=row.worker_name,
            )
            for row in self.rows.values()
            if row.worker == worker and row.status in ("running", "canceling")
        ]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[MemoryInbox]:
        self.require_database()
        inbox = MemoryInbox(self.require_database)
        self._inboxes.append(inbox)
        try:
            yield inbox
        finally:
            self._inboxes.remove(inbox)

    # AttemptStore

    async def start(
        self, wanted: Sequence[AttemptStart], *, worker: int, name: str, running: int
    ) -> Mapping[int, StartedAttempt]:
        self.require_database()
        started = {}
        for job in (start.job for start in wanted):
            row = self.rows.get(job.execution)
            if row is not None and row.status == "scheduled" and row.job == job.id:
                if not self._has_room(row, "running", "canceling"):
                    row.change("requested")
                    self._withdraw(row)
                    continue
                row.worker, row.worker_name, row.attempt = worker, name, row.attempt + 1
                row.change("running")
                started[row.id] = started_attempt(row)
                self._withdraw(row)
            self._jobs.pop(job.id, None)
        return started

    async def settle(
        self, ended: Sequence[AttemptResult], *, worker: int | None = None, running: int = 0, tries: int = 0
    ) -> Collection[int]:
        self.require_database()
        settled = set()
        await self.resume({result.execution: result.attempt for result in ended if not result.lost})
        for result in ended:
            row = self.rows[result.execution]
            if row.attempt == result.attempt and row.status in ("running", "canceling"):
                again = result.status in ("scheduling", "requested")
                row.result = result.result
                row.change("cancelled" if row.status == "canceling" and again else result.status, result.reason or None)
                row.failures, row.losses = row.failures + result.failed, row.losses + result.lost
                row.not_started += result.not_started
                row.not_before = time.monotonic() + result.delay_seconds
                settled.add(row.id)
                if row.asked.action.concurrency:
                    await self.promote([row.queue or ""])
        return settled

    async def print(self, chunks: Sequence[OutputChunk], tries: int = 0) -> Collection[int]:
        self.require_database()
        await self.resume({chunk.execution: chunk.attempt for chunk in chunks})
        owned = [chunk for chunk in chunks if self.rows[chunk.execution].attempt == chunk.attempt]
        owned = [chunk for chunk in owned if self.rows[chunk.execution].status in ("running", "canceling")]
        self.printed |= {(chunk.execution, chunk.attempt, chunk.number): chunk for chunk in owned}
        return {chunk.execution for chunk in owned}

    async def resume(self, attempts: Mapping[int, int]) -> Collection[int]:
        self.require_database()
        waiting = ("requested", "scheduling", "scheduled")
        rows = [self.rows[execution] for execution, attempt in attempts.items()
                if self.rows[execution].attempt == self.rows[execution].lost_attempt == attempt]  # fmt: skip
        back = [row for row in rows if row.status in waiting]
        for row in back:
            row.lost_attempt, row.losses = None, row.losses - 1
            row.change("running")
            self._withdraw(row)
        return {row.id for row in back}

    async def note(self, execution: int, reason: str) -> None:
        self.require_database()
        if self.rows[execution].status in ("requested", "scheduled"):
            self.rows[execution].change(self.rows[execution].status, reason)

    def _added(self, asked: NewExecution) -> MemoryExecution:
        row = self.rows[len(self.rows) + 1] = MemoryExecution(len(self.rows) + 1, asked)
        return row

    def _classify(self, row: MemoryExecution) -> str:
        work = row.asked.work_class
        row.queue = work.queue
        if row.queue not in self._classes:
            self._classes[row.queue] = str(work)
            self._tell(Signal.CLASS, row.queue)
        return row.queue

    def _is_live(self, queue: str | None) -> bool:
        return any(queue in queues for worker, queues in self.readers.items() if worker not in self.dead)

    def _offer(self, row: MemoryExecution) -> bool:
        if not (row.queue and self._is_live(row.queue) and self._has_room(row, "scheduled", "running", "canceling")):
            return False
        self._last_job += 1
        row.job = self._last_job
        row.change("scheduled", row.reason)
        self._jobs[row.job] = QueuedJob(id=row.job, execution=row.id, queue=row.queue)
        self._tell(Signal.JOB, row.queue)
        return True

    def _has_room(self, row: MemoryExecution, *statuses: str) -> bool:
        """Whether the limit of its action, which is named there, lets one more have one of *statuses*."""
        limit, ref = row.asked.action.concurrency, row.asked.action.ref
        used = [one for one in self.rows.values() if one.asked.action.ref == ref and one.status in statuses]
        return not {None, ref} & {*self.paused} and (limit is None or len(used) < limit)

    def _withdraw(self, row: MemoryExecution) -> None:
        self._jobs.pop(row.job or 0, None)
        row.job = None

    def _tell(self, signal: Signal, about: str) -> None:
        for inbox in self._inboxes:
            if signal is not Signal.JOB or about in inbox.queues:
                inbox.notices.put_nowait(WorkerNotice(signal, about))
