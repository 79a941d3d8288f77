"""Transitions are announced, and writing health costs heartbeats nothing."""

from __future__ import annotations

import json

import psycopg
import pytest

from attune.core.nodes.health import Transition
from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import HealthReport, Registration
from attune.core.runtimes.verdict import Status
from attune.postgres.connection import open_pool
from attune.postgres.nodes.registry import PostgresNodes

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_every_transition_is_announced_once_however_long_its_names(migrated_database: str) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as listener:
        listener.execute("LISTEN attune_transition")
        async with open_pool(migrated_database) as pool:
            nodes = PostgresNodes(pool)
            node = await nodes.register(Registration("w1", WORKER, "host-1", 7, {}))
            down = Transition("core.python", "python", Status.AVAILABLE, Status.UNAVAILABLE, "gone")
            long = Transition('"' * 5000, "\x1f" * 5000, Status.UNKNOWN, Status.AVAILABLE, "x")
            await nodes.record_health(node, HealthReport(0.0, transitions=[down, down, long]))
        heard = [json.loads(one.payload) for one in listener.notifies(timeout=20, stop_after=3)]

    first = {**heard[0]}
    assert first.pop("id") == 1
    assert first == {
        "worker": node,
        "worker_name": "w1",
        "runtime": "core.python",
        "name": "python",
        "from": "available",
        "to": "unavailable",
    }
    assert [one["id"] for one in heard] == [1, 2, 3]
    assert heard[2]["runtime"] == '"' * 300


async def test_a_heartbeat_stays_a_heap_only_update(migrated_database: str) -> None:
    async with open_pool(migrated_database) as pool:
        node = await PostgresNodes(pool).register(Registration("w1", WORKER, "host-1", 7, {}))
    with psycopg.connect(migrated_database) as connection:
        before = connection.execute("SELECT generation FROM worker").fetchone()[0]
        connection.execute("UPDATE worker SET last_heartbeat = now() WHERE id = %s", (node,))
        row = connection.execute(
            "SELECT pg_stat_get_xact_tuples_hot_updated('worker'::regclass), (SELECT generation = %s FROM worker)",
            (before,),
        ).fetchone()

    assert row == (1, True)
