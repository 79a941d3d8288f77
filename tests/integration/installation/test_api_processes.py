"""Which processes of the API are missed."""

from __future__ import annotations

import pytest

from attune.postgres.api_processes import note_api, silent_apis
from attune.postgres.connection import open_pool
from attune.postgres.rows import execute

pytestmark = pytest.mark.anyio


async def test_who_serves_and_is_silent_is_missed_until_it_ends_or_for_a_day(migrated_database: str) -> None:
    async with open_pool(migrated_database) as pool:
        await note_api(pool, "here", 7)
        await note_api(pool, "there", 9)
        await execute(pool, "UPDATE api_process SET heard_at = now() - interval '1 minute'")
        both = await silent_apis(pool, 30)
        await note_api(pool, "here", 8)
        one = await silent_apis(pool, 30)
        await note_api(pool, "here", None)
        await execute(pool, "UPDATE api_process SET heard_at = now() - interval '2 days'")
        old = await silent_apis(pool, 30)
        await note_api(pool, "here", 7)

        assert {who: round(age) for who, age in both.items()} == {
            "process 7, which served here": 60,
            "process 9, which served there": 60,
        }
        assert [*one] == [*old] == ["process 9, which served there"]
        assert await silent_apis(pool, 30) == {}
