"""Jobs brought by Procrastinate. The only file that knows the engine, and what of its inside is relied upon:

- `Worker._new_job_event`, which its loop clears after each look for a job, is replaced by a `Notifier` that cannot be
  cleared while a ring has not been followed by a look;
- `App.job_manager`, which its worker asks for jobs, is replaced by `_Jobs`: it looks only into queues that have rung,
  so that reading a thousand queues costs nothing while they are empty;
- a job is removed by whoever begins its execution, so the engine's own acknowledgement is left out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.worker import Worker
from psycopg_pool import AsyncConnectionPool

from attune.core.executions.queue import Take

TASK = "attune.execute"
_LOOKED_INTO = 20  # queues at once: naming a thousand in a query costs more than the query
_POLL_SECONDS = 5.0
_BEAT_SECONDS = 5.0
_STALLED_SECONDS = 20.0
_RETRY_SECONDS = (0.2, 5.0)
# Its lines are about jobs; ours, about executions, say the same and more.
logging.getLogger("procrastinate").setLevel(logging.CRITICAL)


class Notifier(asyncio.Event):
    """An event that stays set if it was rung after the last look."""

    def __init__(self) -> None:
        super().__init__()
        self._rung = False

    def notify(self) -> None:
        self._rung = True
        self.set()

    def look(self) -> None:
        """Whatever rang before now is seen by the look that begins."""
        self._rung = False

    def clear(self) -> None:
        if not self._rung:
            super().clear()


class _Jobs(JobManager):
    """Looks for jobs in the queues that have rung, and gives back those that were not begun."""

    def __init__(self, connector: Any) -> None:
        super().__init__(connector)
        self.bell = Notifier()
        self.read: frozenset[str] = frozenset()
        self.rung: dict[str, None] = {}
        self.refused: set[int] = set()

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        self.bell.look()
        while self.rung:
            # A queue that rings again meanwhile is looked into again; one that has given a job goes behind the others.
            looked = [queue for queue in islice(self.rung, _LOOKED_INTO) if queue in self.read]
            self.rung = dict.fromkeys(islice(self.rung, _LOOKED_INTO, None))
            job = await super().fetch_job(looked, worker_id) if looked else None
            if job is not None:
                self.rung = dict.fromkeys([*(queue for queue in looked if queue != job.queue), *self.rung, job.queue])
                return job
        return None

    def notify(self, queues: Iterable[str]) -> None:
        """There may be jobs in *queues*."""
        self.rung.update(dict.fromkeys(queues))
        self.bell.notify()

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        if job.id in self.refused:
            self.refused.discard(job.id)
            await self.retry_job(job)
            self.notify([job.queue])  # whoever refuses it reads its queue no more


class ProcrastinateQueue:
    """`WorkQueue` on Procrastinate. *limit* is how many jobs run at once."""

    def __init__(self, pool: AsyncConnectionPool[Any], take: Take, limit: int) -> None:
        self._pool = pool
        self._take = take
        self._limit = limit
        self._app = App(connector=PsycopgConnector())
        self._jobs = _Jobs(self._app.connector)
        self._app.job_manager = self._jobs
        self._app.task(name=TASK, pass_context=True)(self._run)
        self._going: set[asyncio.Task[bool]] = set()

    def read(self, queues: Collection[str]) -> None:
        """Take jobs of *queues* from now on, and of no others."""
        self._jobs.read = frozenset(queues)

    def notify(self, queues: Collection[str]) -> None:
        """There may be new jobs in *queues*."""
        self._jobs.notify(queues)

    async def keep(self) -> None:
        """Take jobs until cancelled, and begin anew whenever the engine's worker gives up."""
        await self._app.connector.open_async(self._pool)
        pause = _RETRY_SECONDS[0]
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._worker().run()  # type: ignore[no-untyped-call]
            except Exception:
                logging.getLogger(__name__).debug("the queue's worker gave up", exc_info=True)
            if asyncio.get_running_loop().time() - began > _STALLED_SECONDS:
                pause = _RETRY_SECONDS[0]
            await asyncio.sleep(pause)
            pause = min(2 * pause, _RETRY_SECONDS[1])
            self.notify(self._jobs.read)

    async def rescue(self) -> int:
        """Give back the jobs of nodes that died between taking and beginning them; how many."""
        await self._app.connector.open_async(self._pool)
        stalled = list(await self._jobs.get_stalled_jobs(seconds_since_heartbeat=_STALLED_SECONDS))
        for job in stalled:
            await self._jobs.retry_job(job)
        return len(stalled)

    def _worker(self) -> Worker:
        worker = Worker(
            self._app,
            queues=None,
            name=None,
            concurrency=max(1, self._limit - len(self._going)),
            fetch_job_polling_interval=_POLL_SECONDS,
            shutdown_graceful_timeout=0,
            listen_notify=False,
            install_signal_handlers=False,
            update_heartbeat_interval=_BEAT_SECONDS,
            stalled_worker_timeout=_STALLED_SECONDS,
        )
        worker._new_job_event = self._jobs.bell
        return worker

    async def _run(self, context: JobContext, execution: int) -> None:
        """The one task: what has begun goes on, whatever becomes of the engine's worker."""
        job = context.job.id
        assert job is not None
        going = asyncio.create_task(self._take(job, execution, context.job.queue))
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        if not await asyncio.shield(going):
            self._jobs.refused.add(job)
