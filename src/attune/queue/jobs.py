"""All that is known of Procrastinate: its SQL functions, what of its tables is relied upon, and the taking of jobs.

Statements about executions are put together from these pieces, so that a row and its job change in one transaction.
Read from version 3.10 of the library; a test fails when another one is installed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from attune.core.ports.worker import QueuedJob

Rows = Callable[[str, Mapping[str, Any]], Awaitable[Sequence[Mapping[str, Any]]]]
READ_FROM = "3.10"
TASK = "attune.execute"
CHANNEL = "procrastinate_queue_v1#"
"""What the channel is called on which new jobs of a queue are announced, without the queue's name."""

# One call brings one job, so it is called until it brings none. Jobs are not told apart by the engine's workers (their
# id would be the last argument): which execution is begun where is written in our own tables.
TAKE = """
    WITH RECURSIVE taken (turn, job) AS (
        SELECT 1, procrastinate_fetch_job_v2(%(queues)s::varchar[], NULL)
        UNION ALL
        SELECT turn + 1, procrastinate_fetch_job_v2(%(queues)s::varchar[], NULL)
        FROM taken WHERE (job).id IS NOT NULL AND turn < %(limit)s
    )
    SELECT (job).id, ((job).args ->> 'execution')::bigint AS execution, (job).queue_name AS queue
    FROM taken WHERE (job).id IS NOT NULL ORDER BY turn
"""
GIVE_BACK = """
    SELECT procrastinate_retry_job_v2(id, NULL, NULL, NULL, NULL) FROM procrastinate_jobs
    WHERE id = ANY(%(jobs)s) AND status = 'doing'
"""
FILLED = """
    SELECT q.name FROM unnest(%(queues)s::text[]) AS q (name) WHERE EXISTS (
        SELECT FROM procrastinate_jobs AS j WHERE j.queue_name = q.name AND j.status = 'todo')
"""


def put(source: str) -> str:
    """A query that makes a job for each row (`id` of an execution, `queue`, `turn`) of *source*: (`job`, `turn`)."""
    return f"""
        SELECT j.job, j.turn FROM unnest(procrastinate_defer_jobs_v1((
            SELECT array_agg(ROW(queue, '{TASK}', 0, NULL, NULL, jsonb_build_object('execution', id), NULL
                )::procrastinate_job_to_defer_v1 ORDER BY turn) FROM {source}))) WITH ORDINALITY AS j (job, turn)
    """


def remove(jobs: str) -> str:
    """A statement that removes the jobs whose ids the query *jobs* gives, whether or not they were taken."""
    return f"DELETE FROM procrastinate_jobs WHERE id IN ({jobs})"


def is_adrift(job: str, seconds: int) -> str:
    """A condition: nobody can take the job of id *job* any more. It is gone, or was taken *seconds* ago or earlier."""
    return f"""NOT EXISTS (
        SELECT FROM procrastinate_jobs AS j WHERE j.id = {job} AND (j.status = 'todo' OR EXISTS (
            SELECT FROM procrastinate_events AS v WHERE v.job_id = j.id AND v.type = 'started'
              AND v.at > now() - interval '{seconds} seconds')))"""


class ProcrastinateQueue:
    """`WorkQueue` on Procrastinate. *rows* runs a statement in a transaction of its own, and gives its rows.

    It remembers nothing, so one can take jobs on behalf of many nodes.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def take(self, queues: Collection[str], limit: int) -> Sequence[QueuedJob]:
        if not queues or limit < 1:
            return []
        rows = await self._rows(TAKE, {"queues": sorted(queues), "limit": limit})
        return [QueuedJob(**row) for row in rows]

    async def give_back(self, jobs: Collection[QueuedJob]) -> None:
        await self._rows(GIVE_BACK, {"jobs": [job.id for job in jobs]})

    async def filled(self, queues: Collection[str]) -> set[str]:
        return {row["name"] for row in await self._rows(FILLED, {"queues": sorted(queues)})} if queues else set()
