"""Rows come as records, on a pool or in a transaction of the caller's, and refusals as `DatabaseError`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta, timezone

import psycopg
import pytest
from psycopg import Rollback

from attune.core.errors import DatabaseError
from attune.postgres.connection import Pool, open_pool
from attune.postgres.rows import (
    UnreadableJson,
    execute,
    read_all,
    read_one,
    read_pairs,
    read_value,
    read_values,
    transaction,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    number: int
    text: str


def with_pool(url: str, check: Callable[[Pool], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_pool(url) as pool:
            await check(pool)

    asyncio.run(run())


def test_columns_are_the_fields_of_the_record(blank_database: str) -> None:
    two = "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (number, text) WHERE number > %(above)s"

    async def check(pool: Pool) -> None:
        assert await read_all(pool, Pair, two, {"above": 0}) == [Pair(number=1, text="a"), Pair(number=2, text="b")]
        assert await read_one(pool, Pair, two, {"above": 1}) == Pair(number=2, text="b")
        assert await read_one(pool, Pair, two, {"above": 2}) is None
        assert await read_values(pool, two, {"above": 0}) == [1, 2]
        assert await read_value(pool, two, {"above": 2}) is None
        assert await read_pairs(pool, two, {"above": 0}) == {1: "a", 2: "b"}
        assert await read_value(pool, "SELECT 'a%b'") == "a%b"

    with_pool(blank_database, check)


def test_a_transaction_is_that_of_its_block(blank_database: str) -> None:
    async def check(pool: Pool) -> None:
        await execute(pool, "CREATE TABLE sheet (n int)")
        async with transaction(pool) as connection:
            assert await execute(connection, "INSERT INTO sheet VALUES (1), (2)") == 2
            raise Rollback
        assert await read_value(pool, "SELECT count(*) FROM sheet") == 0

    with_pool(blank_database, check)


def test_a_refusal_is_a_database_error(blank_database: str) -> None:
    async def check(pool: Pool) -> None:
        with pytest.raises(DatabaseError, match="not migrated"):
            await read_values(pool, "SELECT 1 FROM nowhere")
        with pytest.raises(DatabaseError, match="refused"):
            async with transaction(pool) as connection:
                await execute(connection, "SELECT 1 / 0")

    with_pool(blank_database, check)


def test_json_that_is_too_deep_spoils_no_other_row(blank_database: str) -> None:
    async def check(pool: Pool) -> None:
        deep, flat = await read_values(
            pool, "SELECT unnest(ARRAY[repeat('[', 200) || repeat(']', 200), '[1]']::json[])"
        )

        assert isinstance(deep, UnreadableJson)
        assert flat == [1]

    with_pool(blank_database, check)


def test_a_task_that_is_cancelled_as_a_connection_comes_free_ends_and_gives_it_back(blank_database: str) -> None:
    async def check(pool: Pool) -> None:
        async def work() -> None:
            async with pool.connection():
                await asyncio.Event().wait()

        for turns in range(12):  # of the event loop, between the connection that comes free and the cancellation
            held = await pool.getconn()
            task = asyncio.create_task(work())
            await asyncio.sleep(0.01)
            given_back = asyncio.create_task(pool.putconn(held))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            ended, _ = await asyncio.wait({task}, timeout=20)
            await given_back
            assert (turns, len(ended), task.cancelled()) == (turns, 1, True)

    async def run() -> None:
        async with open_pool(blank_database, size=1) as pool:
            await check(pool)

    asyncio.run(run())


def test_a_time_that_python_does_not_have_spoils_no_other_row(blank_database: str) -> None:
    times = "SELECT unnest(ARRAY['infinity', '20000-01-01', '-infinity', '0044-03-15 BC', '2026-11-27']::timestamptz[])"

    async def check(pool: Pool) -> None:
        read = [time.astimezone(timezone(timedelta(hours=14))).year for time in await read_values(pool, times)]

        assert read == [9999, 9999, 1, 1, 2026]

    with_pool(blank_database, check)


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY"])
def test_times_are_read_whatever_the_date_style_of_the_database(blank_database: str, style: str) -> None:
    with psycopg.connect(blank_database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET datestyle = '{style}'".encode())

    async def check(pool: Pool) -> None:
        assert (await read_value(pool, "SELECT '2026-11-27T10:00Z'::timestamptz")).hour == 10

    with_pool(blank_database, check)
