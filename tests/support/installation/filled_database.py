"""A database with rows of every kind that the API shows, for tests that look at all of it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg

from attune.core.nodes.health import Transition
from attune.core.nodes.role import SENSOR, WORKER, Role
from attune.core.ports.executions import NewExecution
from attune.core.ports.nodes import HealthReport, Registration
from attune.core.ports.worker import AttemptResult, OutputChunk
from attune.core.runtimes.verdict import Evidence, Instance, Status, Verdict
from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.runtimes.store import PostgresRuntimes
from attune.testing import MemoryCipher
from factories import make_runtime

HOSTILE = "<script>alert(1)</script>\"'&\u202e"
EVIDENCE = Evidence(("python3", "--version"), 0, f"Python 3.11.7 {HOSTILE}", 12.5)
PYTHON = Verdict(
    "core.python",
    "python",
    Status.AVAILABLE,
    "verified by `python3 --version`",
    "Python",
    (Instance("3.11.7", "/usr/bin/python3", "/usr/bin/python3.11"),),
    EVIDENCE,
)
SHELL = Verdict("core.shell", "shell", Status.UNAVAILABLE, HOSTILE, "Shell", (), Evidence(("sh",), 1, "\x1b[31mno"))
NODE = Verdict("core.nodejs", "node", Status.UNKNOWN, "node --version: timed out after 10 s", "Node.js")
NODES = ((WORKER, "w1"), (WORKER, "w2"), (WORKER, HOSTILE), (SENSOR, "s1"))


def inhabit(url: str) -> None:
    """Put nodes, their changes, definitions and their history into the database at *url*.

    Tokens that are made later have ids beyond those that a test would make up.
    """
    asyncio.run(_fill(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT setval(pg_get_serial_sequence('api_token', 'id'), 1000000)")


async def _fill(url: str) -> None:
    async with open_pool(url) as pool:
        runtimes = PostgresRuntimes(pool)
        for name in ("first", HOSTILE):
            await runtimes.save_runtime(make_runtime("acme.ruby", name, description=HOSTILE), changed_by=HOSTILE)
        nodes = PostgresNodes(pool)
        for role, name in NODES:
            node_id = await nodes.register(_registration(role, name))
            if name == "w2":
                await nodes.leave(node_id)
            if name == "w1":
                await _run(pool, node_id)
            change = Transition("core.python", "python", Status.UNAVAILABLE, Status.AVAILABLE, HOSTILE, EVIDENCE, 1.0)
            await nodes.record_health(node_id, HealthReport(2.0, transitions=[change]))


async def _run(pool: Pool, worker: int) -> None:
    """An action, and executions of it that wait, run and have ended."""
    async with pool.connection() as connection:
        await connection.execute(
            """
            WITH p AS (INSERT INTO pack (ref, label, version) VALUES ('acme', %(text)s, '1.0.0') RETURNING id)
            INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime, param_schema)
            SELECT 'acme.act', p.id, 'acme', %(text)s, %(text)s, 'act.py', r.id,
                   '{"type": "object", "properties": {"note": {"type": "string"}, "token": {"secret": true}}}'
            FROM p, runtime AS r WHERE r.ref = 'core.python'
            """,
            {"text": HOSTILE},
        )
    action = await PostgresActions(pool).get("acme.act")
    store = PostgresExecutions(pool, MemoryCipher())
    asked = [NewExecution(action, {"note": HOSTILE, "token": "hidden"}, (f"n{number}",)) for number in range(4)]
    numbers = await store.submit(asked)
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE execution SET status = 'running', attempt = 1, worker = %s, started_at = now() WHERE id = ANY(%s)",
            (worker, numbers[1:]),
        )
    await store.print([OutputChunk(number, 1, 1, "stderr", HOSTILE) for number in numbers[1:]])
    await store.settle([AttemptResult(numbers[2], 1, "failed", HOSTILE, {"is": HOSTILE}, 3)])
    await store.cancel([numbers[3]])


def _registration(role: Role, name: str) -> Registration:
    capabilities: dict[str, Any] = {
        "runtimes": ["python"],
        "runtime_source": "database",
        "runtime_versions": {"python": ["3.11.7"]},
        "worker_version": "0.1.0",
        "max_concurrent_executions": 2,
        "own": {"note": HOSTILE, "since": time.strftime("%Y")},
    }
    return Registration(
        name, role, "host-1", 7, capabilities, (PYTHON, SHELL, NODE), {"zone": "eu", "note": HOSTILE}, ["gpu-only"]
    )


def known_values(url: str) -> dict[str, list[Any]]:
    """Values of path parameters that lead to a row, by the name of the parameter."""
    with psycopg.connect(url, autocommit=True) as connection:

        def column(query: str) -> list[Any]:
            return [row[0] for row in connection.execute(query.encode()).fetchall()]

        workers = column("SELECT id FROM worker WHERE worker_role = 'action' ORDER BY id")
        sensors = column("SELECT id FROM worker WHERE worker_role = 'sensor' ORDER BY id")
        return {
            "worker_id": workers,
            "sensor_id": sensors,
            "node_id": [*workers, *sensors],
            "id": [*workers, *sensors],
            "ref": column("SELECT ref FROM runtime UNION ALL SELECT ref FROM action ORDER BY ref"),
            "execution_id": column("SELECT id FROM execution ORDER BY id"),
        }
