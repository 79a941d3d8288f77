"""What is known of Procrastinate beside the functions of the schema: its SQL functions, and the taking of jobs.

Statements about executions are put together from these pieces, so that a row and its job change in one transaction.
Read from version 3.10 of the library; a test fails when another one is installed.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from attune.core.ports.worker import QueuedJob

Rows = Callable[[str, Mapping[str, Any]], Awaitable[Sequence[Mapping[str, Any]]]]
READ_FROM = "3.10"
TASK = "attune.execute"
CHANNEL = "procrastinate_queue_v1#"
"""What the channel is called on which new jobs of a queue are announced, without the queue's name."""

# Nodes reach the engine's tables only through functions, which give the jobs of queues that the caller's nodes read.
TAKE = "SELECT id, execution, queue FROM take_jobs(%(queues)s::text[], %(limit)s, %(waits)s::float8[])"
GIVE_BACK = "SELECT give_back_jobs(%(jobs)s::bigint[])"
FILLED = "SELECT name FROM filled_queues(%(queues)s::text[]) AS q (name)"


def put(source: str) -> str:
    """A query that makes a job for each row of *source*: (`job`, `turn`).

    A row has `id` of an execution, `queue`, `priority` and `turn`.
    """
    return f"""
        SELECT j.job, j.turn FROM unnest(procrastinate_defer_jobs_v1((
            SELECT array_agg(ROW(queue, '{TASK}', priority, NULL, NULL, jsonb_build_object('execution', id), NULL
                )::procrastinate_job_to_defer_v1 ORDER BY turn) FROM {source}))) WITH ORDINALITY AS j (job, turn)
    """


def remove(jobs: str) -> str:
    """A statement that removes the jobs whose ids the query *jobs* gives, whether or not they were taken."""
    return f"DELETE FROM procrastinate_jobs WHERE id IN ({jobs})"


class ProcrastinateQueue:
    """`WorkQueue` on Procrastinate. *rows* runs a statement in a transaction of its own, and gives its rows.

    It remembers nothing, so one can take jobs on behalf of many nodes.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def take(
        self, queues: Collection[str], limit: int, waits: Mapping[str, float] | None = None
    ) -> Sequence[QueuedJob]:
        if not queues or limit < 1:
            return []
        names = sorted(queues)
        rows = await self._rows(
            TAKE, {"queues": names, "limit": limit, "waits": [(waits or {}).get(name) for name in names]}
        )
        return [QueuedJob(**row) for row in rows]

    async def give_back(self, jobs: Collection[QueuedJob]) -> None:
        await self._rows(GIVE_BACK, {"jobs": [job.id for job in jobs]})

    async def filled(self, queues: Collection[str]) -> Sequence[str]:
        return [row["name"] for row in await self._rows(FILLED, {"queues": sorted(queues)})] if queues else []
