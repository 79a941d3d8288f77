"""`NodeRequests`: one suite for memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import Registration
from attune.postgres.connection import open_pool
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.nodes.requests import PostgresNodeRequests
from attune.testing import MemoryFleet, MemoryNodeRequests, MemoryNodes

pytestmark = pytest.mark.anyio


@dataclass
class Asked:
    """Requests to two nodes; `later` lets seconds pass."""

    requests: Any
    nodes: list[int]
    later: Callable[[float], Awaitable[None]]

    async def ask(self, *nodes: int, number: int = 1) -> list[int]:
        return sorted(await self.requests.ask(nodes, "check", {"number": number}, asked_by="ann", lasts=60.0))


async def joined(registry: Any, name: str) -> int:
    await registry.claim(name, WORKER, host="host-1", pid=7)
    return int(await registry.register(Registration(name, WORKER, "host-1", 7, {})))


@pytest.fixture(params=["memory", "postgres"])
async def asked(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Asked]:
    if request.param == "memory":
        fleet = MemoryFleet()

        async def move(seconds: float) -> None:
            fleet.ahead += timedelta(seconds=seconds)

        nodes = [await joined(MemoryNodes(fleet), name) for name in ("w1", "w2")]
        yield Asked(MemoryNodeRequests(fleet), nodes, move)
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:

        async def age(seconds: float) -> None:
            async with pool.connection() as connection:
                await connection.execute("UPDATE node_request SET expires = expires - %s * interval '1 s'", (seconds,))

        registries = [PostgresNodes(pool), PostgresNodes(pool)]
        nodes = [await joined(registry, f"w{number}") for number, registry in enumerate(registries, 1)]
        yield Asked(PostgresNodeRequests(pool), nodes, age)
        for registry in registries:
            await registry.leave()


async def test_each_node_finds_what_is_asked_of_it_the_oldest_first(asked: Asked) -> None:
    first, second = asked.nodes
    request_of = await asked.requests.ask([first, second, 10**6], "check", {"number": 1}, asked_by="ann", lasts=60.0)
    assert sorted(request_of.values()) == [first, second]
    await asked.ask(first, number=2)

    opened = await asked.requests.open(first)
    assert [(one.kind, one.body) for one in opened] == [("check", {"number": 1}), ("check", {"number": 2})]
    assert all(50 < one.seconds_left <= 60 for one in opened)
    assert [one.id for one in await asked.requests.open(first, [opened[0].id])] == [opened[1].id]
    assert request_of[opened[0].id] == first


async def test_a_request_is_answered_once(asked: Asked) -> None:
    first, second = asked.nodes
    numbers = await asked.ask(first, second)
    assert await asked.requests.answer(numbers[0], {"verdict": "available"}) is True
    assert await asked.requests.answer(numbers[0], {"verdict": "again"}) is False
    assert await asked.requests.answer(10**6, {}) is False

    assert await asked.requests.answers(numbers) == {numbers[0]: {"verdict": "available"}}
    assert await asked.requests.answers(numbers[1:]) == {}
    assert list(await asked.requests.open(first)) == []


async def test_nobody_waits_for_an_answer_after_the_time(asked: Asked) -> None:
    (number,) = await asked.ask(asked.nodes[0])
    await asked.later(61)

    assert list(await asked.requests.open(asked.nodes[0])) == []
    assert await asked.requests.answer(number, {"verdict": "late"}) is False
