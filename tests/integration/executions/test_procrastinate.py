"""What of the queue engine is relied upon: its tables as migrated, its version, and what becomes of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import procrastinate
import pytest

from attune.core.ports.worker import QueuedJob
from attune.postgres.connection import Pool, open_pool
from attune.postgres.migrations.revisions import statement_text
from attune.postgres.rows import read_all
from attune.queue import jobs
from attune.queue.jobs import ProcrastinateQueue

QUEUE, OTHER = "cap-" + "a" * 32, "cap-" + "b" * 32

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(migrated_database: str, anyio_backend: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database) as made:
        yield made


@pytest.fixture
def queue(pool: Pool) -> ProcrastinateQueue:
    return ProcrastinateQueue(partial(read_all, pool, dict))


def test_the_migrated_tables_are_those_of_the_installed_library() -> None:
    assert statement_text("procrastinate") == procrastinate.schema.SchemaManager.get_schema()


def test_what_is_known_of_the_library_was_read_from_the_version_that_is_installed() -> None:
    assert version("procrastinate").startswith(f"{jobs.READ_FROM}.")
    queries = (Path(procrastinate.__file__).parent / "sql" / "queries.sql").read_text()
    for function in ("defer_jobs_v1", "fetch_job_v2", "retry_job_v2"):
        assert f"procrastinate_{function}(" in queries, f"{function} is not what the library itself calls any more"
    schema = (Path(procrastinate.__file__).parent / "sql" / "schema.sql").read_text()
    assert f"pg_notify('{jobs.CHANNEL}' || NEW.queue_name" in schema
    assert "'started',  -- todo -> doing" in schema


async def defer(pool: Pool, queue: str, *numbers: int) -> None:
    async with pool.connection() as connection:
        for number in numbers:
            source = f"(SELECT {number}::bigint AS id, '{queue}' AS queue, 5 AS priority, 1 AS turn) AS one"
            await connection.execute(jobs.put(source).encode())


async def test_only_the_queues_that_are_named_are_looked_into(pool: Pool, queue: ProcrastinateQueue) -> None:
    await defer(pool, QUEUE, 1)
    await defer(pool, OTHER, 2)

    assert [(job.execution, job.queue) for job in await queue.take([QUEUE], 10)] == [(1, QUEUE)]
    assert await queue.filled([QUEUE, OTHER]) == [OTHER]
    assert [job.execution for job in await queue.take([QUEUE, OTHER], 10)] == [2]


async def test_no_more_are_taken_than_asked_for_and_the_oldest_first(pool: Pool, queue: ProcrastinateQueue) -> None:
    await defer(pool, QUEUE, *range(5))

    assert [job.execution for job in await queue.take([QUEUE], 2)] == [0, 1]
    assert await queue.take([QUEUE], 0) == await queue.take([], 3) == []
    assert [job.execution for job in await queue.take([QUEUE], 10)] == [2, 3, 4]


async def test_what_is_given_back_can_be_taken_again_and_what_is_gone_is_passed_over(
    pool: Pool, queue: ProcrastinateQueue
) -> None:
    await defer(pool, QUEUE, 1)
    (job,) = await queue.take([QUEUE], 1)
    assert await queue.filled([QUEUE]) == []

    await queue.give_back([job, QueuedJob(id=job.id + 1, execution=2, queue=QUEUE)])

    assert await queue.take([QUEUE], 1) == [job]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("SELECT 1", False),
        ("UPDATE procrastinate_jobs SET status = 'doing'", False),
        ("UPDATE procrastinate_jobs SET status = 'failed'", True),
        ("DELETE FROM procrastinate_jobs", True),
    ],
)
@pytest.mark.parametrize("late", [False, True])
async def test_a_job_is_adrift_that_is_gone_or_was_taken_long_ago(
    pool: Pool, change: str, expected: bool, late: bool
) -> None:
    await defer(pool, QUEUE, 1)
    async with pool.connection() as connection:
        row = await (await connection.execute("SELECT id FROM procrastinate_jobs")).fetchone()
        assert row is not None
        await connection.execute(change.encode())
        if late:
            await connection.execute("UPDATE procrastinate_events SET at = at - interval '1 minute'")
        assert await (await connection.execute("SELECT is_adrift(%s)", (row[0],))).fetchone() == (
            expected or (late and "'doing'" in change),
        )
