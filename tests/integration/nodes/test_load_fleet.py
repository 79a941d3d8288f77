"""`attune.load_fleet`: the fleet of a database, for programs that embed the matcher."""

from __future__ import annotations

import asyncio

import pytest

from attune import DatabaseError, Settings, UsageError, WorkerRegistration, load_fleet
from attune.postgres.connection import open_pool


def test_the_fleet_is_what_was_registered(migrated_database: str) -> None:
    async def registered() -> tuple[int, list[str], list[str]]:
        async with open_pool(migrated_database) as pool:
            registration = WorkerRegistration(pool, Settings(), name="w1")
            await registration.register()
            by_pool = [node.name for node in await load_fleet(pool)]
            by_url = [node.name for node in await load_fleet(migrated_database)]
            sensors = await load_fleet(pool, role="sensor")
            await registration.deregister()
            return len(sensors), by_pool, by_url

    assert asyncio.run(registered()) == (0, ["w1"], ["w1"])


def test_another_role_is_refused() -> None:
    with pytest.raises(UsageError, match="role: expected worker or sensor, got 'boss'"):
        asyncio.run(load_fleet("postgresql://nowhere/at_all", role="boss"))


def test_a_database_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(DatabaseError, match="cannot reach the database"):
        asyncio.run(load_fleet("postgresql://nobody@127.0.0.1:1/nothing"))
