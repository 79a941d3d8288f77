"""`ChangeLog`: one suite for memory and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from attune.core.ports.changes import CHANGED, TOKENS, Notice
from attune.postgres.changes import PostgresChanges
from attune.postgres.connection import open_pool
from attune.testing import MemoryChanges

pytestmark = pytest.mark.anyio


@dataclass
class Changes:
    """A log of changes; `add` writes one, `prune` removes all but the last, `notify` says something on a channel."""

    log: Any
    add: Callable[[str, dict[str, Any]], Awaitable[None]]
    prune: Callable[[], Awaitable[None]]
    notify: Callable[[str, str], Awaitable[None]]


def in_memory() -> Changes:
    log = MemoryChanges()

    async def add(kind: str, data: dict[str, Any]) -> None:
        log.add(kind, data)

    async def prune() -> None:
        del log.records[:-1]

    async def notify(channel: str, payload: str) -> None:
        log.notify(channel, payload)

    return Changes(log, add, prune, notify)


@pytest.fixture(params=["memory", "postgres"])
async def changes(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Changes]:
    if request.param == "memory":
        yield in_memory()
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:

        async def execute(query: str, *values: Any) -> None:
            async with pool.connection() as connection:
                await connection.execute(query.encode(), values)

        async def add(kind: str, data: dict[str, Any]) -> None:
            await execute("INSERT INTO change (kind, data) VALUES (%s, %s)", kind, Jsonb(data))
            await execute("SELECT pg_notify(%s, '')", CHANGED)

        async def prune() -> None:
            await execute("DELETE FROM change WHERE id < (SELECT max(id) FROM change)")

        async def notify(channel: str, payload: str) -> None:
            await execute("SELECT pg_notify(%s, %s)", channel, payload)

        await execute("DELETE FROM change")
        yield Changes(PostgresChanges(pool), add, prune, notify)


async def add_three(changes: Changes, begin: Any) -> None:
    """Write three changes after *begin*; they can be read when no older transaction of the server is open any more."""
    for number in range(3):
        await changes.add("worker", {"number": number})
    async with asyncio.timeout(60):
        while len((await changes.log.since(begin)).changes) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_changes_are_read_in_order_from_a_position_on(changes: Changes) -> None:
    begin = await changes.log.end()
    assert list((await changes.log.since(begin)).changes) == []
    await add_three(changes, begin)

    page = await changes.log.since(begin, 2)
    rest = await changes.log.since(page.changes[-1].position, 2)
    assert [one.data["number"] for one in (*page.changes, *rest.changes)] == [0, 1, 2]
    assert {one.kind for one in page.changes} == {"worker"}
    assert (page.more, rest.more) == (True, False)
    assert list((await changes.log.since(await changes.log.end())).changes) == []


async def test_a_reader_learns_that_what_it_has_not_read_is_pruned(changes: Changes) -> None:
    begin = await changes.log.end()
    await add_three(changes, begin)
    first, *_, last = (await changes.log.since(begin)).changes
    assert await changes.log.reaches_back_to(first.position)
    await changes.prune()

    assert not await changes.log.reaches_back_to(first.position)
    assert await changes.log.reaches_back_to(last.position)


async def test_those_who_listen_are_told(changes: Changes) -> None:
    async with changes.log.notices() as notices:
        await changes.notify(TOKENS, "7")
        await changes.add("worker", {})
        async with asyncio.timeout(100):
            heard = [await anext(notices), await anext(notices)]

    assert heard == [Notice(TOKENS, "7"), Notice(CHANGED, "")]
