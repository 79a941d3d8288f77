"""Each contract's implementations: the shipped fakes and the real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from attune.client.nodes import HttpControl, HttpNodes
from attune.client.runtimes import HttpRuntimes
from attune.core.access.tokens import Scope
from attune.core.nodes.role import SENSOR
from attune.core.ports.nodes import Registration
from attune.postgres.connection import open_pool
from attune.postgres.nodes.node_control import PostgresNodeControl
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.runtimes.store import PostgresRuntimes
from attune.testing import MemoryFleet, MemoryNodeControl, MemoryNodes, MemoryRuntimes
from factories import make_runtime
from web_client import Api, serving


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class RuntimesByPerson:
    """Definitions over the API, where who changes something is who has the token: one client for each name."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def _as(self, name: str, work: Callable[[HttpRuntimes], Awaitable[Any]]) -> Any:
        tokens = self._api.services.tokens
        _, text = await tokens.create(name, Scope.ADMIN, created_by="tests")
        try:
            async with self._api.wire(text) as wire:
                return await work(HttpRuntimes(wire))
        finally:
            (made,) = [one for one in await tokens.list_tokens() if one.name == name and one.revoked is None]
            await tokens.revoke(made.id)

    async def save_runtime(self, runtime: Any, *, changed_by: str) -> Any:
        return await self._as(changed_by, lambda store: store.save_runtime(runtime, changed_by=changed_by))

    async def remove_runtime(self, ref: str, *, changed_by: str, force: bool = False) -> Any:
        return await self._as(changed_by, lambda store: store.remove_runtime(ref, changed_by=changed_by, force=force))

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._as("reader", lambda store: getattr(store, name)(*arguments))


@pytest.fixture(params=["memory", "postgres", "http"])
async def runtime_store(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryRuntimes()
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:
        async with pool.connection() as connection:
            await connection.execute("DELETE FROM runtime")
        if request.param == "postgres":
            yield PostgresRuntimes(pool)
            return
    async with serving(url) as api:
        yield RuntimesByPerson(api)


@pytest.fixture(params=["memory", "postgres", "http"])
async def runtime_store_offered(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    """With `acme.used`, which the live worker w1 offers."""
    used = make_runtime("acme.used", "Used")
    if request.param == "memory":
        yield MemoryRuntimes([used], users={"acme.used": ["worker w1"]})
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:
        store = PostgresRuntimes(pool)
        await store.save_runtime(used, changed_by="ann")
        for name, status in (("w1", "active"), ("w2", "inactive")):
            query = """
                WITH node AS (INSERT INTO worker (name, worker_type, worker_role, status, last_heartbeat)
                              VALUES (%s, 'local', 'action', %s, now()) RETURNING id)
                INSERT INTO worker_runtime (worker, runtime_ref, name, status, reason, checked_at, since)
                SELECT id, 'acme.used', 'used', 'available', '', now(), now() FROM node
            """
            async with pool.connection() as connection:
                await connection.execute(query, (name, status))
        if request.param == "postgres":
            yield store
            return
    async with serving(url) as api:
        yield RuntimesByPerson(api)


@pytest.fixture(params=["memory", "postgres", "http"])
async def runtime_store_with_user(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    used = make_runtime("acme.used", "Used")
    if request.param == "memory":
        yield MemoryRuntimes([used], users={"acme.used": ["action acme.run"]})
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:
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
        if request.param == "postgres":
            yield store
            return
    async with serving(url) as api:
        yield RuntimesByPerson(api)


class ReadOverHttp:
    """A registry that nodes write to as ever, and that is read over the API."""

    def __init__(self, registry: PostgresNodes, reader: HttpNodes) -> None:
        self._registry = registry
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        reads = ("list_nodes", "node_runtimes", "node_transitions")
        return getattr(self._reader if name in reads else self._registry, name)


class ControlOverHttp:
    """The life of nodes, of which operators' half goes over the API."""

    def __init__(self, life: PostgresNodeControl, control: HttpControl) -> None:
        self._life = life
        self._control = control

    def __getattr__(self, name: str) -> Any:
        return getattr(self._control if hasattr(HttpControl, name) else self._life, name)


@pytest.fixture(params=["memory", "postgres", "http"])
async def registry_source(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Callable[[], Any]]:
    if request.param == "memory":
        fleet = MemoryFleet()
        yield lambda: MemoryNodes(fleet)
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:
        if request.param == "postgres":
            yield lambda: PostgresNodes(pool)
            return
        async with serving(url) as api, api.wire(api.tokens[Scope.READ]) as wire:
            yield lambda: ReadOverHttp(PostgresNodes(pool), HttpNodes(wire))


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
    """A registry and the life of its nodes; `later` lets seconds pass for a node that says nothing.

    Node `judge`, a sensor, beats meanwhile and watches. `outage` lets seconds pass in which nobody is heard of.
    """

    registry: Any
    life: Any
    later: Callable[[int, float], Awaitable[None]]
    outage: Callable[[int, float], Awaitable[None]]
    judge: int


@pytest.fixture(params=["memory", "postgres", "http"])
async def living(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Living]:
    if request.param == "memory":
        fleet = MemoryFleet()

        async def pass_time(node_id: int, seconds: float) -> None:
            await be_away(node_id, seconds)
            fleet.uptime += seconds
            fleet.watched_at += timedelta(seconds=seconds)

        async def be_away(node_id: int, seconds: float) -> None:
            fleet.ahead += timedelta(seconds=seconds)
            watching = fleet.by_id(judge)
            assert watching is not None
            watching.record = replace(watching.record, last_heartbeat=fleet.now())

        judge = await joined_judge(MemoryNodes(fleet))
        fleet.watched_at = fleet.now()
        yield Living(MemoryNodes(fleet), MemoryNodeControl(fleet), pass_time, be_away, judge)
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:

        async def age(node_id: int, seconds: float) -> None:
            await be_away(node_id, seconds)
            async with pool.connection() as connection:
                await connection.execute(
                    "UPDATE fleet_watch SET uptime = uptime + %(s)s,"
                    " watched_at = watched_at + %(s)s * interval '1 second'",
                    {"s": seconds},
                )

        async def be_away(node_id: int, seconds: float) -> None:
            async with pool.connection() as connection:
                await connection.execute(
                    "UPDATE worker SET last_heartbeat = last_heartbeat - %s * interval '1 second' WHERE id = %s",
                    (seconds, node_id),
                )
                await connection.execute(
                    "UPDATE fleet_watch SET watched_at = watched_at - %s * interval '1 second'", (seconds,)
                )
                await connection.execute("UPDATE worker SET last_heartbeat = now() WHERE id = %s", (judge,))

        registry, life = PostgresNodes(pool), PostgresNodeControl(pool)
        judge = await joined_judge(watcher := PostgresNodes(pool))
        async with pool.connection() as connection:
            await connection.execute("UPDATE fleet_watch SET watched_at = now()")
        if request.param == "postgres":
            yield Living(registry, life, age, be_away, judge)
        else:
            async with serving(url) as api, api.wire(api.tokens[Scope.OPERATE]) as wire:
                read = ReadOverHttp(registry, HttpNodes(wire))
                yield Living(read, ControlOverHttp(life, HttpControl(wire)), age, be_away, judge)
        await registry.leave()
        await watcher.leave()


async def joined_judge(registry: Any) -> int:
    await registry.claim("judge", SENSOR, host="host-9", pid=9)
    return int(await registry.register(Registration("judge", SENSOR, "host-9", 9, {})))
