"""`ApiProcesses`: memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from attune.postgres.api_processes import PostgresApiProcesses
from attune.postgres.connection import open_pool
from attune.testing import MemoryApiProcesses

pytestmark = pytest.mark.anyio
HERE, THERE = "http://127.0.0.1:8080 on here", "http://10.0.0.2:8080 on there"


class Told(NamedTuple):
    """A store, and what lets seconds pass."""

    store: Any
    wait: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory", "postgres"])
async def told(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Told]:
    if request.param == "memory":
        memory = MemoryApiProcesses()

        async def pass_by(seconds: float) -> None:
            memory.now += seconds

        yield Told(memory, pass_by)
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:

        async def age(seconds: float) -> None:
            async with pool.connection() as connection:
                await connection.execute(
                    "UPDATE api_process SET heard_at = heard_at - %s * interval '1 second'", (seconds,)
                )

        yield Told(PostgresApiProcesses(pool), age)


async def shown(store: Any) -> list[tuple[str, int, int]]:
    return [(one.address, one.process, round(one.age)) for one in await store.known()]


async def test_each_is_known_by_its_address_and_by_when_it_was_heard_of(told: Told) -> None:
    await told.store.note(HERE, 7)
    await told.wait(60)
    await told.store.note(THERE, 9)
    before = await shown(told.store)
    await told.store.note(HERE, 8)

    assert before == [(THERE, 9, 0), (HERE, 7, 60)]
    assert await shown(told.store) == [(THERE, 9, 0), (HERE, 8, 0)]


async def test_who_ends_is_known_no_more_and_who_was_silent_for_a_day_is_forgotten(told: Told) -> None:
    await told.store.note(HERE, 7)
    await told.store.note(THERE, 9)
    await told.store.note(HERE, None)
    await told.store.note(HERE, None)
    left = await shown(told.store)
    await told.wait(2 * 86_400)
    kept = await shown(told.store)
    await told.store.note(HERE, 7)

    assert left == [(THERE, 9, 0)]
    assert kept == [(THERE, 9, 172_800)]
    assert await shown(told.store) == [(HERE, 7, 0)]
