"""What of the queue engine is relied upon: its tables as migrated, and the inside that the adapter touches."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import procrastinate
import pytest
from procrastinate.manager import JobManager
from procrastinate.worker import Worker

from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions import store as executions
from attune.postgres.migrations.statements import statement_text
from attune.queue.procrastinate_queue import TASK, ProcrastinateQueue

QUEUE, OTHER = "cap-" + "a" * 32, "cap-" + "b" * 32
DEFER = """
    SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(%s, %s, 0, NULL, NULL, jsonb_build_object('execution', %s::bigint),
        NULL)::procrastinate_job_to_defer_v1])
"""

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(migrated_database: str, anyio_backend: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database) as made:
        yield made


def test_the_migrated_tables_are_those_of_the_installed_library() -> None:
    shipped = (Path(procrastinate.__file__).parent / "sql" / "schema.sql").read_text()
    ours = statement_text("procrastinate").partition("\n")[2]
    assert shipped.endswith(ours)
    assert shipped.removesuffix(ours).count("CREATE") == 2  # the extension, tried and explained


def test_the_inside_of_the_library_is_as_the_adapter_expects() -> None:
    loop = inspect.getsource(Worker._fetch_and_process_jobs) + inspect.getsource(Worker._run_loop)
    assert loop.count("self._new_job_event.clear()") == 2
    assert "self._new_job_event.wait()" in loop
    assert "self.app.job_manager.fetch_job(" in loop
    assert [*inspect.signature(JobManager.fetch_job).parameters] == ["self", "queues", "worker_id"]
    assert [*inspect.signature(JobManager.finish_job).parameters] == ["self", "job", "status", "delete_job"]
    assert TASK == executions.TASK


class TakenLease:
    """Notes what is taken; refuses what it is told to refuse."""

    def __init__(self, pool: Pool, limit: int = 4) -> None:
        self.seen: list[tuple[int, str]] = []
        self.refuses: set[int] = set()
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.queue = ProcrastinateQueue(pool, self.take, limit)

    async def take(self, job: int, execution: int, queue: str) -> bool:
        self.seen.append((execution, queue))
        await self.goes_on.wait()
        return execution not in self.refuses


@contextlib.asynccontextmanager
async def kept(queue: ProcrastinateQueue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def defer(pool: Pool, queue: str, *numbers: int) -> None:
    async with pool.connection() as connection:
        for number in numbers:
            await connection.execute(DEFER, (queue, TASK, number))


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_only_queues_that_are_read_and_have_rung_are_looked_into(pool: Pool) -> None:
    taken = TakenLease(pool)
    await defer(pool, QUEUE, 1)
    await defer(pool, OTHER, 2)
    taken.queue.read([QUEUE])
    async with kept(taken.queue):
        await asyncio.sleep(0.3)
        assert taken.seen == []
        taken.queue.notify([QUEUE, OTHER])
        await until(lambda: taken.seen)
        await asyncio.sleep(0.2)
        assert taken.seen == [(1, QUEUE)]
        taken.queue.read([QUEUE, OTHER])
        taken.queue.notify([OTHER])
        await until(lambda: len(taken.seen) == 2)


async def test_a_ring_while_a_look_is_under_way_is_not_lost(pool: Pool) -> None:
    taken = TakenLease(pool)
    taken.queue.read([QUEUE])
    async with kept(taken.queue):
        for number in range(60):  # far below the 5 s that a lost ring would cost each time
            await defer(pool, QUEUE, number)
            taken.queue.notify([QUEUE])
            await asyncio.sleep(0)
        await until(lambda: len(taken.seen) == 60, 4)


async def test_what_is_refused_can_be_taken_again(pool: Pool) -> None:
    taken = TakenLease(pool)
    taken.refuses = {1}
    taken.queue.read([QUEUE])
    await defer(pool, QUEUE, 1)
    async with kept(taken.queue):
        taken.queue.notify([QUEUE])
        await until(lambda: len(taken.seen) >= 2)
        taken.refuses = set()


async def test_no_more_are_taken_than_may_run_at_once(pool: Pool) -> None:
    taken = TakenLease(pool, limit=2)
    taken.goes_on.clear()
    taken.queue.read([QUEUE])
    await defer(pool, QUEUE, *range(5))
    async with kept(taken.queue):
        taken.queue.notify([QUEUE])
        await until(lambda: len(taken.seen) == 2)
        await asyncio.sleep(0.2)
        assert len(taken.seen) == 2
        taken.goes_on.set()
        await until(lambda: len(taken.seen) == 5)


async def test_what_has_begun_survives_the_end_of_the_engines_worker(pool: Pool) -> None:
    taken = TakenLease(pool)
    taken.goes_on.clear()
    taken.queue.read([QUEUE])
    await defer(pool, QUEUE, 1)
    async with kept(taken.queue):
        taken.queue.notify([QUEUE])
        await until(lambda: taken.seen)
    (going,) = taken.queue._going
    assert not going.done()
    taken.goes_on.set()
    assert await going is True


async def test_the_job_of_a_node_that_died_before_it_began_is_given_back(pool: Pool) -> None:
    taken = TakenLease(pool)
    await defer(pool, QUEUE, 1)
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"
        )
        await connection.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
        )
    assert await taken.queue.rescue() == 1
    async with pool.connection() as connection:
        row = await (await connection.execute("SELECT status::text FROM procrastinate_jobs")).fetchone()
    assert row == ("todo",)
