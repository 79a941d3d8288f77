"""In which order executions are taken, and how many of an action run at once: laws on a real database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from attune.core.errors import UsageError
from attune.core.executions.execution import Policy
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import AttemptResult, AttemptStart, QueuedJob
from attune.postgres.rows import execute, read_all, read_value
from attune.queue.jobs import ProcrastinateQueue
from execution_tables import Tables, open_tables

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def tables(migrated_database: str, anyio_backend: str) -> AsyncIterator[Tables]:
    async with open_tables(migrated_database) as opened:
        await opened.ask()
        await opened.read("core.python")
        await opened.executions.cancel([1])
        yield opened


async def take(tables: Tables, limit: int) -> Sequence[QueuedJob]:
    queue = ProcrastinateQueue(partial(read_all, tables.pool, dict))
    return await queue.take(list(await tables.routing.classes()), limit)


async def ask(tables: Tables, *priorities: int | None) -> list[int]:
    return await tables.executions.submit([NewExecution(tables.action, priority=priority) for priority in priorities])


async def grow_old(tables: Tables, numbers: Sequence[int]) -> None:
    """Have *numbers* been offered a minute ago."""
    async with tables.pool.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "UPDATE execution SET updated = now() - interval '1 minute' WHERE id = ANY(%s)", (list(numbers),)
        )


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_taken_while_something_of_a_higher_priority_could_be(tables: Tables, seed: int) -> None:
    chance = random.Random(seed)
    waiting: dict[int, int | None] = {}
    of_action: int | None = None
    for _ in range(60):
        step = chance.random()
        if step < 0.4:
            given = [chance.choice([None, *range(10)]) for _ in range(chance.randint(1, 4))]
            waiting |= dict(zip(await ask(tables, *given), given, strict=True))
        elif step < 0.5:
            of_action = chance.choice([None, *range(10)])
            await execute(tables.pool, "UPDATE action SET priority = %s", (of_action,))
        else:
            limit = chance.randint(1, 3)
            other = 5 if of_action is None else of_action
            ranks = {number: (-(other if given is None else given), number) for number, given in waiting.items()}
            expected = sorted(waiting, key=ranks.__getitem__)[:limit]
            assert [job.execution for job in await take(tables, limit)] == expected
            for number in expected:
                del waiting[number]


async def test_half_of_what_is_taken_is_the_oldest_once_it_has_waited_for_long(tables: Tables) -> None:
    old = await ask(tables, *[0] * 20)
    await grow_old(tables, old)
    urgent = await ask(tables, *[9] * 20)

    taken = [job.execution for job in await take(tables, 10)]

    assert taken == [*old[:5], *urgent[:5]]
    single = [(await take(tables, 1))[0].execution for _ in range(30)]
    assert {*single} & {*old}
    assert {*single} & {*urgent}


async def test_a_limit_is_never_exceeded_whoever_begins_what_was_offered_beyond_it(tables: Tables) -> None:
    await execute(tables.pool, "UPDATE action SET concurrency = 3")
    numbers = await ask(tables, *[None] * 40)
    await read_value(tables.pool, "SELECT offer_executions(%s::bigint[])", (numbers,))
    running, most, limit = set[int](), 0, 3

    async def work(left: set[int]) -> None:
        nonlocal most, limit
        while left:
            await tables.routing.tidy()
            await tables.routing.promote(list(await tables.routing.classes()))
            jobs = await take(tables, 4)
            begun = await tables.executions.start(
                [AttemptStart(job) for job in jobs], worker=tables.worker, name="w1", running=0
            )
            running.update(begun)
            most = max(most, len(running))
            assert len(running) <= 3
            if len(left) < 20 and limit == 3:
                limit = 1
                await execute(tables.pool, "UPDATE action SET concurrency = 1")
            running.difference_update(begun)
            await tables.executions.settle([AttemptResult(number, 1, "completed") for number in begun])
            left -= {*begun}

    left = {*numbers}
    async with asyncio.timeout(60):
        await asyncio.gather(*[work(left) for _ in range(6)])
    assert most == 3
    assert tables.rows("SELECT DISTINCT status::text FROM execution WHERE id > 1") == [("completed",)]


async def test_what_waits_for_its_limit_says_so_and_lets_others_pass(tables: Tables) -> None:
    (other,) = tables.rows(
        "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime)"
        " SELECT 'acme.other', pack, pack_ref, '', '', 'act.py', runtime FROM action RETURNING id"
    )
    await execute(tables.pool, "UPDATE action SET concurrency = 1 WHERE ref = 'acme.act'")
    tables.action = replace(tables.action, concurrency=1)
    first, second = await ask(tables, 9, 9)
    await tables.start(first)
    await execute(tables.pool, "INSERT INTO execution (action, action_ref) VALUES (%s, 'acme.other')", other)
    await tables.routing.classify()
    await tables.routing.promote(list(await tables.routing.classes()))

    assert [job.execution for job in await take(tables, 5)] == [second + 1]
    record = await tables.pages.get(second)
    assert record is not None
    assert record.why == "waits: action acme.act has a concurrency of 1, and as many run"
    passed = await tables.pages.get(second + 1)
    assert passed is not None
    assert (passed.priority, passed.held_back) == (5, None)


async def test_what_runs_goes_on_through_a_pause_and_what_waits_names_who_paused_it(tables: Tables) -> None:
    running, waiting = await ask(tables, None, None)
    await tables.start(running)
    await tables.executions.set_paused(None, "ada@desk")
    await tables.routing.tidy()

    assert tables.execution(running) == ("running", 1)
    assert (tables.execution(waiting), tables.jobs()) == (("requested", 0), [])
    record = await tables.pages.get(waiting)
    assert record is not None
    assert record.why.startswith("waits: the fleet is paused since 2")
    assert record.why.endswith(" by ada@desk")
    assert await tables.settle(running, 1, "completed")


async def test_once_a_pause_is_there_nothing_begins_whoever_was_about_to(tables: Tables) -> None:
    await ask(tables, *[None] * 60)
    begun, paused = list[int](), asyncio.Event()

    async def begin() -> None:
        while jobs := await take(tables, 1):
            late = paused.is_set()
            starts = [AttemptStart(job) for job in jobs]
            started = await tables.executions.start(starts, worker=tables.worker, name="w1", running=0)
            assert not (late and started)
            begun.extend(started)

    async def pause() -> None:
        async with asyncio.timeout(30):
            while len(begun) < 5:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await tables.executions.set_paused("acme.act", "ada")
        paused.set()

    await asyncio.gather(pause(), *[begin() for _ in range(4)])
    assert tables.rows("SELECT count(*) FROM execution WHERE status = 'running'") == [(len(begun),)]
    assert 5 <= len(begun) < 60


async def test_what_starts_later_waits_says_so_and_is_offered_when_its_time_has_come(tables: Tables) -> None:
    later = datetime.now(UTC) + timedelta(hours=3)
    first = await tables.ask(not_before=later, wait_seconds=60.0)
    second = await tables.ask(delay_seconds=600.0)
    past = await tables.ask(not_before=later - timedelta(days=2))

    assert await tables.routing.tidy() == 0
    assert tables.jobs() == [past]
    record = await tables.pages.get(first)
    assert record is not None and record.deadline is not None
    assert (record.status, record.not_before) == ("scheduling", later)
    assert record.deadline - later == timedelta(seconds=60)
    assert record.why == f"waits: not before {later:%Y-%m-%d %H:%M:%S} UTC (in 3 h)"
    assert [text for _, text in record.history] == ["asked for", f"waits: not before {later:%Y-%m-%d %H:%M:%S} UTC"]
    other = await tables.pages.get(second)
    assert other is not None and other.why.endswith("(in 10 m)")

    await execute(tables.pool, "UPDATE execution SET not_before = now() WHERE id = %s", (second,))
    assert await tables.routing.tidy() == 1
    assert tables.jobs() == [past, second]
    assert await tables.executions.cancel([first]) == {first: "cancelled"}


async def test_what_starts_later_may_not_be_refused_for_what_the_fleet_is_now(tables: Tables) -> None:
    with pytest.raises(UsageError, match="policy: expected wait, for what starts later, got fail"):
        NewExecution(tables.action, delay_seconds=1.0, policy=Policy.FAIL).check()
    with pytest.raises(UsageError, match="not_before: expected either a time or a delay, got both"):
        NewExecution(tables.action, delay_seconds=1.0, not_before=datetime.now(UTC)).check()


async def test_an_execution_tells_which_version_of_its_action_it_runs(tables: Tables) -> None:
    first = await tables.ask()
    (second,) = await tables.executions.submit([NewExecution(replace(tables.action, entrypoint="other.py"))])
    versions = [record.version for number in (first, second) if (record := await tables.pages.get(number))]

    assert versions == ["version 1 of acme.act, 1 newer", "version 2 of acme.act"]
