"""Executions in the database: one row and one job in one transaction, every attempt fenced, waiting work set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from attune.core.executions.action import OnLost
from attune.core.executions.execution import ExecutionStatus, after_loss
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import AttemptStart, OutputChunk, QueuedJob
from attune.postgres.rows import read_all
from attune.queue.jobs import ProcrastinateQueue
from attune.testing import MemoryCipher
from execution_tables import Tables, open_tables

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def tables(migrated_database: str, anyio_backend: str) -> AsyncIterator[Tables]:
    async with open_tables(migrated_database) as opened:
        yield opened


async def test_what_nobody_reads_waits_without_a_job_and_is_offered_to_the_first_reader(
    tables: Tables,
) -> None:
    number = await tables.ask("ruby")
    assert tables.execution(number) == ("requested", 0)
    assert tables.jobs() == []
    await tables.read("core.python; ruby")
    assert tables.execution(number) == ("scheduled", 0)
    assert tables.jobs() == [number]


async def test_what_a_live_node_reads_is_offered_at_once_in_the_order_asked(tables: Tables) -> None:
    await tables.ask()
    await tables.read("core.python")
    asked = [NewExecution(tables.action, {}, extra) for extra in ((), ("ruby",), (), ())]
    numbers = await tables.executions.submit(asked)
    assert [tables.execution(one)[0] for one in numbers] == ["scheduled", "requested", "scheduled", "scheduled"]
    assert tables.jobs()[1:] == [numbers[0], numbers[2], numbers[3]]
    stored = dict(
        tables.rows("SELECT id, (SELECT args->>'execution' FROM procrastinate_jobs WHERE id = job) FROM execution")
    )
    assert all(stored[one] == str(one) for one in (numbers[0], numbers[2], numbers[3]))


async def test_an_execution_and_its_job_are_written_together_or_not_at_all(tables: Tables) -> None:
    await tables.ask()
    await tables.read("core.python")
    with pytest.raises(RuntimeError):
        async with tables.pool.connection() as connection, connection.transaction():
            from attune.postgres.executions.store import submit

            await submit(connection, [NewExecution(tables.action)], MemoryCipher())
            raise RuntimeError
    assert len(tables.jobs()) == len(tables.rows("SELECT FROM execution")) == 1


async def test_one_attempt_begins_once_and_takes_its_job_with_it(tables: Tables) -> None:
    number = await tables.ask()
    await tables.read("core.python")
    (job,) = tables.rows(f"SELECT job FROM execution WHERE id = {number}")[0]
    assert await tables.start(number) == 1
    assert tables.jobs() == []
    given = AttemptStart(QueuedJob(id=job, execution=number, queue=""))
    assert await tables.executions.start([given], worker=tables.worker, name="w1", running=1) == {}


async def test_only_the_present_attempt_can_end_an_execution(tables: Tables) -> None:
    number = await tables.ask()
    await tables.read("core.python")
    assert await tables.start(number) == 1
    assert await tables.settle(number, 1, "scheduling", lost=True)
    await tables.routing.tidy()
    assert await tables.start(number) == 2
    assert not await tables.settle(number, 1, "completed", result="of the first")
    assert await tables.executions.print([OutputChunk(number, 1, 1, "stdout", "late")]) == set()
    assert tables.execution(number) == ("running", 2)
    assert await tables.settle(number, 2, "completed", result="of the second")
    assert not await tables.settle(number, 2, "failed")
    found = await tables.pages.get(number)
    assert found is not None
    assert (found.status, found.result, found.losses) == ("completed", "of the second", 1)
    assert await tables.pages.output(number) == []


@pytest.mark.parametrize(
    ("before", "after"), [("requested", "cancelled"), ("scheduled", "cancelled"), ("running", "canceling")]
)
async def test_a_cancel_ends_what_waits_and_asks_what_runs(tables: Tables, before: str, after: str) -> None:
    number = await tables.ask()
    if before != "requested":
        await tables.read("core.python")
    if before == "running":
        await tables.start(number)
    assert tables.execution(number)[0] == before
    assert await tables.executions.cancel([number]) == {number: after}
    assert tables.jobs() == []
    assert await tables.start(number) is None
    if before == "running":
        assert await tables.settle(number, 1, "scheduling")
        assert tables.execution(number)[0] == "cancelled"
    assert await tables.executions.cancel([number]) == {}


async def test_work_whose_last_reader_is_gone_is_set_aside(tables: Tables) -> None:
    number = await tables.ask()
    await tables.read("core.python")
    async with tables.pool.connection() as connection:
        await connection.execute("UPDATE worker SET status = 'lost'")
    await tables.routing.tidy()
    assert tables.execution(number) == ("requested", 0)
    assert tables.jobs() == []


async def test_the_job_of_a_node_that_died_before_it_began_is_offered_anew(tables: Tables) -> None:
    number = await tables.ask()
    await tables.read("core.python")
    queue = ProcrastinateQueue(partial(read_all, tables.pool, dict))
    queues = list(await tables.routing.classes())
    (job,) = await queue.take(queues, 1)
    await tables.routing.tidy()
    assert tables.execution(number) == ("scheduled", 0)
    async with tables.pool.connection() as connection:
        await connection.execute("UPDATE procrastinate_events SET at = at - interval '1 minute'")
        await connection.execute("ALTER TABLE execution DISABLE TRIGGER USER")
        await connection.execute("UPDATE execution SET updated = updated - interval '1 minute'")
        await connection.execute("ALTER TABLE execution ENABLE TRIGGER USER")
    await tables.routing.tidy()
    await tables.routing.promote(queues)
    (again,) = await queue.take(queues, 1)
    assert (again.execution, again.id != job.id) == (number, True)
    late = await tables.executions.start([AttemptStart(job)], worker=tables.worker, name="w1", running=1)
    assert late == {}
    assert await tables.start(number) == 1


async def test_what_waits_too_long_fails_and_says_so(tables: Tables) -> None:
    number = await tables.ask(wait_seconds=0.001)
    patient = await tables.ask(wait_seconds=60.0)
    await tables.routing.tidy()
    found = await tables.pages.get(number)
    assert found is not None
    assert (found.status, found.reason) == (
        "failed",
        "no node could take it before its deadline; it needs core.python",
    )
    assert tables.execution(patient)[0] == "requested"


@pytest.mark.parametrize("node", ["lost", "inactive", "error", None])
async def test_the_attempts_of_nodes_that_are_gone_are_found(tables: Tables, node: str | None) -> None:
    number = await tables.ask()
    await tables.read("core.python")
    await tables.start(number)
    assert await tables.routing.settle_lost() == 0
    async with tables.pool.connection() as connection:
        await connection.execute(
            "DELETE FROM worker" if node is None else f"UPDATE worker SET status = '{node}'".encode()  # type: ignore[arg-type]
        )
    assert await tables.routing.settle_lost() == 1
    assert tables.rows("SELECT status::text, losses, reason FROM execution") == [
        ("scheduling", 1, "worker w1 was lost while it ran")
    ]


@pytest.mark.parametrize("losses", [0, 4, 5, 6])
@pytest.mark.parametrize("status", ["running", "canceling"])
@pytest.mark.parametrize("on_lost", list(OnLost))
async def test_the_database_judges_the_lost_as_the_core_does(
    tables: Tables, losses: int, status: str, on_lost: OnLost
) -> None:
    number = await tables.ask()
    await tables.read("core.python")
    await tables.start(number)
    async with tables.pool.connection() as connection:
        query = "UPDATE execution SET losses = %s, status = %s::text::execution_status_enum, on_lost = %s"
        await connection.execute(query, (losses, status, on_lost.value))
        await connection.execute("UPDATE worker SET status = 'lost'")

    await tables.routing.settle_lost()

    then = after_loss(on_lost, worker="w1", losses=losses, cancel_asked=status == "canceling")
    query = "SELECT status::text, losses, reason, finished_at IS NULL FROM execution"
    ended = then.status is not ExecutionStatus.SCHEDULING
    assert tables.rows(query) == [(then.status.value, losses + 1, then.reason, not ended)]


async def test_what_was_requested_without_a_class_gets_one_and_what_cannot_run_fails(tables: Tables) -> None:
    async with tables.pool.connection() as connection:
        for ref in ("acme.act", "acme.gone"):
            await connection.execute("INSERT INTO execution (action_ref) VALUES (%s)", (ref,))
    queues = await tables.routing.classify()
    assert [text for queue, text in (await tables.routing.classes()).items() if queue in queues] == ["core.python"]
    assert tables.rows("SELECT status::text, requirement, retries, reason FROM execution ORDER BY id") == [
        ("requested", "core.python", 2, None),
        ("failed", None, 0, "expected an action that exists, got 'acme.gone'"),
    ]


async def test_rows_of_before_the_migration_are_never_run(tables: Tables) -> None:
    number = await tables.ask()
    async with tables.pool.connection() as connection:
        await connection.execute("UPDATE execution SET policy = NULL, queue = NULL, requirement = NULL")
    await tables.read("core.python")
    assert await tables.routing.classify() == []
    await tables.routing.tidy()
    assert tables.execution(number) == ("requested", 0)
