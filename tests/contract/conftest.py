"""Each contract's implementations: the shipped fakes and the real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from attune.postgres.connection import open_pool
from attune.postgres.life import PostgresLife
from attune.postgres.nodes import PostgresNodes
from attune.postgres.runtimes import PostgresRuntimes
from attune.testing import MemoryFleet, MemoryLife, MemoryNodes, MemoryRuntimes
from factories import make_runtime


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "postgres"])
async def runtime_store(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryRuntimes()
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:
        async with pool.connection() as connection:
            await connection.execute("DELETE FROM runtime")
        yield PostgresRuntimes(pool)


@pytest.fixture(params=["memory", "postgres"])
async def runtime_store_with_user(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    used = make_runtime("acme.used", "Used")
    if request.param == "memory":
        yield MemoryRuntimes([used], users={"acme.used": ["action acme.run"]})
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:
        store = PostgresRuntimes(pool)
        await store.save_runtime(used, changed_by="ann")
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('acme', 'Acme', '1.0.0')")
            await connection.execute(
                """
                INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime)
                SELECT 'acme.run', pack.id, 'acme', 'Run', '', 'run.py', runtime.id
                FROM pack, runtime WHERE pack.ref = 'acme' AND runtime.ref = 'acme.used'
                """
            )
        yield store


@pytest.fixture(params=["memory", "postgres"])
async def registry_source(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Callable[[], Any]]:
    if request.param == "memory":
        fleet = MemoryFleet()
        yield lambda: MemoryNodes(fleet)
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:
        yield lambda: PostgresNodes(pool)


@pytest.fixture
async def node_registry(registry_source: Callable[[], Any]) -> AsyncIterator[Any]:
    registry = registry_source()
    yield registry
    await registry.leave()


@pytest.fixture
def another_registry(registry_source: Callable[[], Any]) -> Callable[[], Any]:
    return registry_source


@dataclass
class Living:
    """A registry and the life of its nodes; `later` lets seconds pass for a node that says nothing."""

    registry: Any
    life: Any
    later: Callable[[int, float], Awaitable[None]]


@pytest.fixture(params=["memory", "postgres"])
async def living(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Living]:
    if request.param == "memory":
        fleet = MemoryFleet()

        async def pass_time(node_id: int, seconds: float) -> None:
            fleet.ahead += timedelta(seconds=seconds)

        yield Living(MemoryNodes(fleet), MemoryLife(fleet), pass_time)
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:

        async def age(node_id: int, seconds: float) -> None:
            async with pool.connection() as connection:
                await connection.execute(
                    "UPDATE worker SET last_heartbeat = last_heartbeat - %s * interval '1 second' WHERE id = %s",
                    (seconds, node_id),
                )

        registry = PostgresNodes(pool)
        yield Living(registry, PostgresLife(pool), age)
        await registry.leave()
