"""Executions in the database: one row and one job in one transaction, every attempt fenced, waiting work set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from attune.core.executions.action import Action, OnLost
from attune.core.executions.execution import ExecutionStatus, after_loss
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import AttemptResult, AttemptStart, OutputChunk, QueuedJob
from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.pages import PostgresExecutionPages
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.rows import read_all
from attune.queue.jobs import ProcrastinateQueue
from attune.testing import MemoryCipher
from waiting import rows

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Desk:
    """Everything on one database, and a worker that reads what it is told to."""

    def __init__(self, pool: Pool, url: str, action: Action, worker: int) -> None:
        self.pool, self.url, self.action, self.worker = pool, url, action, worker
        self.executions, self.routing = PostgresExecutions(pool), PostgresRouting(pool)
        self.pages = PostgresExecutionPages(pool)

    async def ask(self, *extra: str, **more: Any) -> int:
        (number,) = await self.executions.submit([NewExecution(self.action, {"a": 1}, extra, **more)])
        return number

    async def read(self, *requirements: str) -> None:
        queues = [queue for queue, text in (await self.routing.classes()).items() if text in requirements]
        assert len(queues) == len(requirements)
        await self.routing.subscribe(self.worker, queues)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.url, query)

    def execution(self, number: int) -> tuple[str, int]:
        return self.rows(f"SELECT status::text, attempt FROM execution WHERE id = {number}")[0]  # type: ignore[return-value]

    def jobs(self) -> list[int]:
        return [row[0] for row in self.rows("SELECT (args->>'execution')::int FROM procrastinate_jobs ORDER BY id")]

    async def start(self, number: int, worker: int | None = None) -> int | None:
        """Begin what was offered; the number of the attempt."""
        (job,) = self.rows(f"SELECT job FROM execution WHERE id = {number}")[0]
        given = AttemptStart(QueuedJob(id=job or 0, execution=number, queue=""))
        started = await self.executions.start([given], worker=worker or self.worker, name="w1", running=1)
        return started[number].attempt if number in started else None

    async def settle(self, number: int, attempt: int, status: str, **more: Any) -> bool:
        return number in await self.executions.settle([AttemptResult(number, attempt, status, **more)])


@pytest.fixture
async def desk(migrated_database: str, anyio_backend: str) -> AsyncIterator[Desk]:
    async with open_pool(migrated_database) as pool:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('acme', '', '1.0.0')")
            await connection.execute(
                "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime, retries, on_lost)"
                " SELECT 'acme.act', p.id, 'acme', '', '', 'act.py', r.id, 2, 'retry' FROM pack AS p, runtime AS r"
                " WHERE p.ref = 'acme' AND r.ref = 'core.python'"
            )
            row = await (
                await connection.execute(
                    "INSERT INTO worker (name, worker_type, worker_role, status, last_heartbeat)"
                    " VALUES ('w1', 'local', 'action', 'active', now()) RETURNING id"
                )
            ).fetchone()
        assert row is not None
        yield Desk(pool, migrated_database, await PostgresActions(pool).get("acme.act"), row[0])


async def test_what_nobody_reads_waits_without_a_job_and_is_offered_to_the_first_reader(desk: Desk) -> None:
    number = await desk.ask("ruby")
    assert desk.execution(number) == ("requested", 0)
    assert desk.jobs() == []
    await desk.read("core.python; ruby")
    assert desk.execution(number) == ("scheduled", 0)
    assert desk.jobs() == [number]


async def test_what_a_live_node_reads_is_offered_at_once_in_the_order_asked(desk: Desk) -> None:
    await desk.ask()
    await desk.read("core.python")
    asked = [NewExecution(desk.action, {}, extra) for extra in ((), ("ruby",), (), ())]
    numbers = await desk.executions.submit(asked)
    assert [desk.execution(one)[0] for one in numbers] == ["scheduled", "requested", "scheduled", "scheduled"]
    assert desk.jobs()[1:] == [numbers[0], numbers[2], numbers[3]]
    stored = dict(
        desk.rows("SELECT id, (SELECT args->>'execution' FROM procrastinate_jobs WHERE id = job) FROM execution")
    )
    assert all(stored[one] == str(one) for one in (numbers[0], numbers[2], numbers[3]))


async def test_an_execution_and_its_job_are_written_together_or_not_at_all(desk: Desk) -> None:
    await desk.ask()
    await desk.read("core.python")
    with pytest.raises(RuntimeError):
        async with desk.pool.connection() as connection, connection.transaction():
            from attune.postgres.executions.store import submit

            await submit(connection, [NewExecution(desk.action)], MemoryCipher())
            raise RuntimeError
    assert len(desk.jobs()) == len(desk.rows("SELECT FROM execution")) == 1


async def test_one_attempt_begins_once_and_takes_its_job_with_it(desk: Desk) -> None:
    number = await desk.ask()
    await desk.read("core.python")
    (job,) = desk.rows(f"SELECT job FROM execution WHERE id = {number}")[0]
    assert await desk.start(number) == 1
    assert desk.jobs() == []
    given = AttemptStart(QueuedJob(id=job, execution=number, queue=""))
    assert await desk.executions.start([given], worker=desk.worker, name="w1", running=1) == {}


async def test_only_the_present_attempt_can_end_an_execution(desk: Desk) -> None:
    number = await desk.ask()
    await desk.read("core.python")
    assert await desk.start(number) == 1
    assert await desk.settle(number, 1, "scheduling", lost=True)
    await desk.routing.tidy()
    assert await desk.start(number) == 2
    assert not await desk.settle(number, 1, "completed", result="of the first")
    assert await desk.executions.print([OutputChunk(number, 1, 1, "stdout", "late")]) == set()
    assert desk.execution(number) == ("running", 2)
    assert await desk.settle(number, 2, "completed", result="of the second")
    assert not await desk.settle(number, 2, "failed")
    found = await desk.pages.get(number)
    assert found is not None
    assert (found.status, found.result, found.losses) == ("completed", "of the second", 1)
    assert await desk.pages.output(number) == []


@pytest.mark.parametrize(
    ("before", "after"), [("requested", "cancelled"), ("scheduled", "cancelled"), ("running", "canceling")]
)
async def test_a_cancel_ends_what_waits_and_asks_what_runs(desk: Desk, before: str, after: str) -> None:
    number = await desk.ask()
    if before != "requested":
        await desk.read("core.python")
    if before == "running":
        await desk.start(number)
    assert desk.execution(number)[0] == before
    assert await desk.executions.cancel(number) == after
    assert desk.jobs() == []
    assert await desk.start(number) is None
    if before == "running":
        assert await desk.settle(number, 1, "scheduling")
        assert desk.execution(number)[0] == "cancelled"
    assert await desk.executions.cancel(number) is None


async def test_work_whose_last_reader_is_gone_is_set_aside(desk: Desk) -> None:
    number = await desk.ask()
    await desk.read("core.python")
    async with desk.pool.connection() as connection:
        await connection.execute("UPDATE worker SET status = 'lost'")
    await desk.routing.tidy()
    assert desk.execution(number) == ("requested", 0)
    assert desk.jobs() == []


async def test_the_job_of_a_node_that_died_before_it_began_is_offered_anew(desk: Desk) -> None:
    number = await desk.ask()
    await desk.read("core.python")
    queue = ProcrastinateQueue(partial(read_all, desk.pool, dict))
    queues = list(await desk.routing.classes())
    (job,) = await queue.take(queues, 1)
    await desk.routing.tidy()
    assert desk.execution(number) == ("scheduled", 0)
    async with desk.pool.connection() as connection:
        await connection.execute("UPDATE procrastinate_events SET at = at - interval '1 minute'")
        await connection.execute("ALTER TABLE execution DISABLE TRIGGER USER")
        await connection.execute("UPDATE execution SET updated = updated - interval '1 minute'")
        await connection.execute("ALTER TABLE execution ENABLE TRIGGER USER")
    await desk.routing.tidy()
    await desk.routing.promote(queues)
    (again,) = await queue.take(queues, 1)
    assert (again.execution, again.id != job.id) == (number, True)
    late = await desk.executions.start([AttemptStart(job)], worker=desk.worker, name="w1", running=1)
    assert late == {}
    assert await desk.start(number) == 1


async def test_what_waits_too_long_fails_and_says_so(desk: Desk) -> None:
    number = await desk.ask(wait_seconds=0.001)
    patient = await desk.ask(wait_seconds=60.0)
    await desk.routing.tidy()
    found = await desk.pages.get(number)
    assert found is not None
    assert (found.status, found.reason) == (
        "failed",
        "no node could take it before its deadline; it needs core.python",
    )
    assert desk.execution(patient)[0] == "requested"


@pytest.mark.parametrize("node", ["lost", "inactive", "error", None])
async def test_the_attempts_of_nodes_that_are_gone_are_found(desk: Desk, node: str | None) -> None:
    number = await desk.ask()
    await desk.read("core.python")
    await desk.start(number)
    assert await desk.routing.settle_lost() == 0
    async with desk.pool.connection() as connection:
        await connection.execute(
            "DELETE FROM worker" if node is None else f"UPDATE worker SET status = '{node}'".encode()  # type: ignore[arg-type]
        )
    assert await desk.routing.settle_lost() == 1
    assert desk.rows("SELECT status::text, losses, reason FROM execution") == [
        ("scheduling", 1, "worker w1 was lost while it ran")
    ]


@pytest.mark.parametrize("losses", [0, 4, 5, 6])
@pytest.mark.parametrize("status", ["running", "canceling"])
@pytest.mark.parametrize("on_lost", list(OnLost))
async def test_the_database_judges_the_lost_as_the_core_does(
    desk: Desk, losses: int, status: str, on_lost: OnLost
) -> None:
    number = await desk.ask()
    await desk.read("core.python")
    await desk.start(number)
    async with desk.pool.connection() as connection:
        query = "UPDATE execution SET losses = %s, status = %s::text::execution_status_enum, on_lost = %s"
        await connection.execute(query, (losses, status, on_lost.value))
        await connection.execute("UPDATE worker SET status = 'lost'")

    await desk.routing.settle_lost()

    then = after_loss(on_lost, worker="w1", losses=losses, cancel_asked=status == "canceling")
    query = "SELECT status::text, losses, reason, finished_at IS NULL FROM execution"
    ended = then.status is not ExecutionStatus.SCHEDULING
    assert desk.rows(query) == [(then.status.value, losses + 1, then.reason, not ended)]


async def test_what_was_requested_without_a_class_gets_one_and_what_cannot_run_fails(desk: Desk) -> None:
    async with desk.pool.connection() as connection:
        for ref in ("acme.act", "acme.gone"):
            await connection.execute("INSERT INTO execution (action_ref) VALUES (%s)", (ref,))
    queues = await desk.routing.classify()
    assert [text for queue, text in (await desk.routing.classes()).items() if queue in queues] == ["core.python"]
    assert desk.rows("SELECT status::text, requirement, retries, reason FROM execution ORDER BY id") == [
        ("requested", "core.python", 2, None),
        ("failed", None, 0, "expected an action that exists, got 'acme.gone'"),
    ]


async def test_rows_of_before_the_migration_are_never_run(desk: Desk) -> None:
    number = await desk.ask()
    async with desk.pool.connection() as connection:
        await connection.execute("UPDATE execution SET policy = NULL, queue = NULL, requirement = NULL")
    await desk.read("core.python")
    assert await desk.routing.classify() == []
    await desk.routing.tidy()
    assert desk.execution(number) == ("requested", 0)
