"""The query over the normalised tables and the pure matcher give the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from benchmarks.sql_matcher import PostgresMatcher

from attune.core.matching.fleet import Node
from attune.core.matching.matcher import match
from attune.postgres.connection import Pool, open_pool
from attune.postgres.nodes.capabilities import write_capabilities
from effort import share
from random_fleets import TAINTS, changed_node, random_node, random_preferences, random_requirement

pytestmark = pytest.mark.anyio

FLEETS, NODES, REQUIREMENTS = 3, 120, share(200)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def write(connection: Any, node: Node) -> None:
    await connection.execute(
        """
        INSERT INTO worker (id, name, worker_type, worker_role, status) VALUES (%s, %s, 'local', 'action', %s)
        ON CONFLICT (id) DO UPDATE SET status = excluded.status, name = excluded.name
        """,
        (node.id, node.name, node.status.value),
    )
    await write_capabilities(connection, node.id, node)
    await connection.execute("UPDATE worker_load SET running = %s WHERE worker = %s", (node.running, node.id))


async def fill(pool: Pool, nodes: Sequence[Node]) -> None:
    async with pool.connection() as connection, connection.transaction():
        for node in nodes:
            await write(connection, node)


async def assert_same(matcher: PostgresMatcher, fleet: Sequence[Node], random: Random) -> None:
    requirement, preferences = random_requirement(random), random_preferences(random)
    tolerations = random.sample(TAINTS, random.choice((0, 0, 1)))
    limit = random.choice((1, 3, 10, None))
    placement = match(requirement, fleet, preferences=preferences, tolerations=tolerations)
    wanted = [(one.node.id, one.node.name, one.score, one.node.load) for one in placement.eligible]
    found = await matcher.eligible(requirement, preferences=preferences, tolerations=tolerations, limit=limit)

    assert [(one.id, one.name, one.score, one.load) for one in found] == wanted[:limit], (requirement, preferences)


@pytest.mark.parametrize("seed", [1000, 20])
async def test_the_query_and_the_matcher_agree_on_random_fleets(migrated_database: str, seed: int) -> None:
    random = Random(seed)
    async with open_pool(migrated_database, size=1) as pool:
        for number in range(FLEETS):
            fleet = [random_node(random, number * NODES + place) for place in range(NODES)]
            async with pool.connection() as connection:
                await connection.execute("DELETE FROM worker")
            await fill(pool, fleet)
            matcher = PostgresMatcher(pool)
            for _ in range(REQUIREMENTS):
                await assert_same(matcher, fleet, random)
            for place in random.sample(range(NODES), NODES // 3):
                fleet[place] = changed_node(random, fleet[place])
            await fill(pool, fleet)
            for _ in range(REQUIREMENTS):
                await assert_same(matcher, fleet, random)
