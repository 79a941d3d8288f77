"""`RetentionStore`: memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from attune.operations.installation.retain import Retention
from attune.postgres.connection import open_pool
from attune.postgres.retention import PostgresRetention
from attune.testing import MemoryRetention

pytestmark = pytest.mark.anyio
DAY = 86_400.0


class Kept(NamedTuple):
    """A store, and what puts events of those ages, in seconds, into it."""

    store: Any
    add: Callable[..., Awaitable[None]]


@pytest.fixture(params=["memory", "postgres"])
async def kept(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Kept]:
    if request.param == "memory":
        memory = MemoryRetention({"audit": []})

        async def remember(*ages: float) -> None:
            memory.ended.setdefault("events", []).extend(ages)

        yield Kept(memory, remember)
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:

        async def insert(*ages: float) -> None:
            async with pool.connection() as connection:
                await connection.execute(
                    "INSERT INTO event (trigger_ref, created) SELECT 'a.b', now() - age * interval '1 second'"
                    " FROM unnest(%s::float8[]) AS age",
                    (list(ages),),
                )

        yield Kept(PostgresRetention(pool), insert)


async def counted(store: Any, keep: float, **bounds: Any) -> tuple[int, int]:
    """Of the events: how many have expired, and how many were removed."""
    (events,) = [one for one in await store.retained({"events": keep}, **bounds) if one.kind == "events"]
    assert events.keep_seconds == keep
    return events.expired, events.removed


async def test_what_was_kept_long_enough_is_removed_in_batches(kept: Kept) -> None:
    await kept.add(DAY, 2 * DAY, 3 * DAY, 4 * DAY)

    assert await counted(kept.store, 1.5 * DAY) == (3, 0)
    assert await kept.store.remove_expired("events", 2, 1.5 * DAY) == 2
    assert await counted(kept.store, 1.5 * DAY) == (1, 2)
    assert await kept.store.remove_expired("events", 2, 1.5 * DAY) == 1
    assert await kept.store.remove_expired("events", 2, 1.5 * DAY) == 0
    assert await counted(kept.store, 0.5 * DAY) == (1, 3)


async def test_what_is_kept_for_ever_never_expires(kept: Kept) -> None:
    await kept.add(9000 * DAY)

    assert await kept.store.remove_expired("events", 9, 0.0) == 0
    assert await counted(kept.store, 0.0) == (0, 0)


async def test_what_expired_within_the_grace_does_not_count_and_no_more_than_asked_for(kept: Kept) -> None:
    await kept.add(DAY, 2 * DAY, 3 * DAY)

    assert await counted(kept.store, 0.5 * DAY, grace_seconds=DAY) == (2, 0)
    assert await counted(kept.store, 0.5 * DAY, most=1) == (1, 0)


async def test_all_that_expired_goes_however_much_there_is(kept: Kept) -> None:
    await kept.add(*[2 * DAY] * 350, *[1.0] * 5)
    told: list[tuple[str, int]] = []

    assert await Retention(kept.store, {"events": DAY}).remove(told=lambda kind, gone: told.append((kind, gone)))
    assert sum(gone for kind, gone in told if kind == "events") == 350
    assert await counted(kept.store, DAY) == (0, 350)
    assert await counted(kept.store, 0.5) == (5, 350)


async def test_a_pass_ends_when_its_time_is_over_and_the_next_goes_on(kept: Kept) -> None:
    await kept.add(*[2 * DAY] * 250)
    retention = Retention(kept.store, {"events": DAY})

    assert not await retention.remove(lambda: False)
    expired, removed = await counted(kept.store, DAY)
    assert expired == 250 - removed > 0
    await retention.tick()
    assert await counted(kept.store, DAY) == (0, 250)
