"""A newer version of Attune gives the core rows what it knows more of them, and leaves what operators changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from attune import catalogue
from attune.core.runtimes.runtime import Runtime
from attune.postgres.connection import Pool, open_pool
from attune.postgres.rows import execute, read_value
from attune.postgres.runtimes.store import PostgresRuntimes

pytestmark = pytest.mark.anyio
RUNTIMES = [Runtime(**entry) for entry in catalogue.core_pack()]
OLDER = "#- '{verification,smoke}' #- '{verification,undecided_patterns}'"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(migrated_database: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database) as pool:
        await execute(pool, "DELETE FROM runtime")
        await execute(pool, "DELETE FROM pack WHERE ref = 'core'")
        assert len(await seed(pool, "1.0.0")) == 5
        await execute(pool, f"UPDATE runtime SET distributions = distributions {OLDER}")
        yield pool


async def seed(pool: Pool, version: str) -> list[str]:
    return await PostgresRuntimes(pool).seed(version, "Core", RUNTIMES)


async def verification(pool: Pool, ref: str) -> Any:
    return await read_value(pool, "SELECT distributions->'verification' FROM runtime WHERE ref = %s", (ref,))


async def test_rows_as_they_were_shipped_get_the_keys_that_are_new(pool: Pool) -> None:
    assert await seed(pool, "1.0.0") == []
    assert await seed(pool, "1.1.0") == ["core.nodejs", "core.python"]

    shipped = {runtime.ref: runtime.distributions["verification"] for runtime in RUNTIMES}
    assert await verification(pool, "core.python") == shipped["core.python"]
    assert await verification(pool, "core.nodejs") == shipped["core.nodejs"]


async def test_a_row_whose_command_was_changed_stays_and_one_that_was_removed_stays_removed(pool: Pool) -> None:
    change = """jsonb_set(distributions, '{verification,commands,0,binary}', '"python3.11"')"""
    await execute(pool, f"UPDATE runtime SET distributions = {change} WHERE ref = 'core.python'")
    await execute(pool, "DELETE FROM runtime WHERE ref = 'core.nodejs'")

    assert await seed(pool, "1.1.0") == []

    assert "smoke" not in await verification(pool, "core.python")
    assert await verification(pool, "core.nodejs") is None


async def test_a_smoke_check_of_the_operators_own_stays(pool: Pool) -> None:
    own = """jsonb_set(distributions, '{verification,smoke}', '{"args": ["-c", "print(\\"{nonce}\\")"]}')"""
    await execute(pool, f"UPDATE runtime SET distributions = {own} WHERE ref = 'core.python'")

    await seed(pool, "1.1.0")

    kept = await verification(pool, "core.python")
    assert kept["smoke"] == {"args": ["-c", 'print("{nonce}")']}
    assert kept["undecided_patterns"]


async def test_commands_of_python_as_they_were_shipped_become_those_that_are_shipped_now(pool: Pool) -> None:
    now = (await verification(pool, "core.python"))["commands"]
    before = [{**command, "pattern": "Python 3\\."} for command in now[:2]]

    for commands, expected in ((before, now), (before[:1], before[:1])):
        query = "UPDATE runtime SET distributions = jsonb_set(distributions, '{verification,commands}', %s)"
        await execute(pool, f"{query} WHERE ref = 'core.python'", (Jsonb(commands),))
        await seed(pool, f"1.1.{len(commands)}")
        assert (await verification(pool, "core.python"))["commands"] == expected
