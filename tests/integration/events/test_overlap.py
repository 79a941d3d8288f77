"""Rules that skip events: while one of their executions has not ended, and too soon after the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.rows import execute, read_values
from pack_folders import happen, load, write_pack

pytestmark = pytest.mark.anyio
EVENT = {"path": "a.png", "width": 300}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(migrated_database: str, anyio_backend: str, tmp_path: Path) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database) as opened:
        await load(opened, write_pack(tmp_path / "img"))
        yield opened


async def test_a_rule_that_skips_asks_again_once_its_execution_has_ended(pool: Pool) -> None:
    await execute(pool, "UPDATE rule SET overlap = 'skip'")
    ((first, second, third),) = [await happen(pool, "img.made", EVENT, EVENT, EVENT)]

    assert [len(one.executions) for one in (first, second, third)] == [1, 0, 0]
    (number,) = first.executions
    assert second.problems == (f"img.shrink: skipped: execution {number} has not ended",)
    assert await read_values(pool, "SELECT status::text FROM enforcement ORDER BY id") == [
        "processed", "disabled", "disabled"]  # fmt: skip
    await execute(pool, "UPDATE execution SET status = 'completed'")
    assert len((await happen(pool, "img.made", EVENT))[0].executions) == 1


async def test_events_that_come_at_once_are_one_execution(pool: Pool) -> None:
    await execute(pool, "UPDATE rule SET overlap = 'skip'")

    recorded = await asyncio.gather(*[happen(pool, "img.made", EVENT) for _ in range(6)])

    assert sum(len(one.executions) for (one,) in recorded) == 1


async def test_a_rule_asks_at_most_every_so_often(pool: Pool) -> None:
    await execute(pool, "UPDATE rule SET at_most_every_seconds = 3600")
    first, second = await happen(pool, "img.made", EVENT, EVENT)

    assert (len(first.executions), len(second.executions)) == (1, 0)
    assert "at most every 3600 s" in second.problems[0]
    await execute(pool, "UPDATE enforcement SET created = created - interval '2 hours'")
    assert len((await happen(pool, "img.made", EVENT))[0].executions) == 1


@pytest.mark.parametrize("column", ["delay_seconds", "at_most_every_seconds"])
@pytest.mark.parametrize("seconds", ["NaN", "infinity", "1e11"])
async def test_a_rule_whose_row_has_too_long_a_time_asks_for_nothing_and_spoils_no_event(
    pool: Pool, column: str, seconds: str
) -> None:
    await execute(pool, f"UPDATE rule SET {column} = %s", (seconds,))
    (made,) = await happen(pool, "img.made", EVENT)

    assert made.executions == ()
    assert "expected at most 8784h, got more" in made.problems[0]


async def test_what_rules_ask_for_goes_after_what_people_ask_for(pool: Pool) -> None:
    await happen(pool, "img.made", EVENT)
    await execute(pool, "UPDATE rule SET priority = 7")
    await happen(pool, "img.made", EVENT)
    await execute(
        pool, "INSERT INTO execution (action, action_ref) SELECT id, ref FROM action WHERE ref = 'img.resize'"
    )

    await PostgresRouting(pool).classify()

    assert await read_values(pool, "SELECT priority FROM execution ORDER BY id") == [4, 7, 5]


async def test_what_a_rule_with_a_delay_asks_for_starts_so_much_later_and_is_classified_at_once(pool: Pool) -> None:
    await execute(pool, "UPDATE rule SET delay_seconds = 600")
    await happen(pool, "img.made", EVENT)

    assert len(await PostgresRouting(pool).classify()) == 1

    query = "SELECT status::text || round(extract(epoch FROM not_before - created)) FROM execution"
    assert await read_values(pool, query) == ["scheduling600"]
    query = "SELECT e ->> 'status' FROM execution, jsonb_array_elements(timeline) AS e"
    assert await read_values(pool, query) == ["requested", "scheduling"]
