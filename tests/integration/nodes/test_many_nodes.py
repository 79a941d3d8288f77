"""Many nodes at once, and nodes whose clocks are wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import Heartbeat, Overdue, Registration
from attune.core.runtimes.verdict import Instance, Status, Verdict
from attune.postgres.connection import open_pool
from attune.postgres.nodes.node_control import PostgresNodeControl
from attune.postgres.nodes.registry import PostgresNodes
from command_hosts import Machine
from waiting import rows, wait_for

NODES = 200


def verdicts(number: int) -> list[Verdict]:
    version = f"3.{8 + number % 6}.1"
    instance = (Instance(version, "/usr/bin/python3", "/usr/bin/python3"),)
    return [
        Verdict("core.python", "python", Status.AVAILABLE, "verified", "Python", instance),
        Verdict("acme.ruby", "ruby", Status.UNAVAILABLE, "ruby: not found on PATH"),
    ]


def test_two_hundred_nodes_start_at_once_and_every_one_is_right(migrated_database: str) -> None:
    async def start(pool: Any, number: int) -> tuple[PostgresNodes, int]:
        registry = PostgresNodes(pool)
        await registry.claim(f"w{number}", WORKER, host="host", pid=number)
        labels = {"zone": f"z{number % 3}"}
        registration = Registration(f"w{number}", WORKER, "host", number, {}, verdicts(number), labels=labels)
        return registry, await registry.register(registration)

    async def run() -> list[Heartbeat | None]:
        async with open_pool(migrated_database, size=8) as pool:
            joined = await asyncio.gather(*(start(pool, number) for number in range(NODES)))
            beats = await asyncio.gather(*(registry.heartbeat(node_id) for registry, node_id in joined))
            await asyncio.gather(*(PostgresNodeControl(pool).mark_overdue(Overdue(amnesty=0), 1) for _ in range(20)))
            counted = rows(
                migrated_database,
                "SELECT w.status::text, count(*), count(DISTINCT w.name), count(c.worker) FROM worker AS w"
                " LEFT JOIN worker_capability AS c ON c.worker = w.id GROUP BY 1",
            )
            assert counted == [("active", NODES, NODES, NODES)]
            assert rows(migrated_database, "SELECT count(*) FROM worker_runtime") == [(2 * NODES,)]
            await asyncio.gather(*(registry.leave(node_id) for registry, node_id in joined))
            return list(beats)

    assert asyncio.run(run()) == [Heartbeat("active")] * NODES
    assert rows(migrated_database, "SELECT status::text, count(*) FROM worker GROUP BY 1") == [("inactive", NODES)]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_wrong_changes_nothing(tmp_path: Path, migrated_database: str, hours: int) -> None:
    machine = Machine(tmp_path)
    machine.command("python3", "Python 3.11.7")
    (tmp_path / "skew").mkdir()
    (tmp_path / "skew" / "sitecustomize.py").write_text(
        f"import time\nreal = time.time\ntime.time = lambda: real() + {hours * 3600}\n"
    )
    path = [str(tmp_path / "skew"), *filter(None, [machine.environment().get("PYTHONPATH")])]
    machine.variables |= {
        "DATABASE_URL": migrated_database,
        "ATTUNE__HEARTBEAT__INTERVAL": "0.2s",
        "ATTUNE__HEARTBEAT__STALE_AFTER": "5s",
        "ATTUNE__HEARTBEAT__AMNESTY": "0s",
    }
    skewed = machine.start("worker", "start", "--name", "skewed", PYTHONPATH=":".join(path))
    straight = machine.start("worker", "start", "--name", "straight")
    try:
        ages = (
            "SELECT name, status::text, abs(extract(epoch FROM now() - last_heartbeat)) < 60 FROM worker ORDER BY name"
        )
        right = [("skewed", "active", True), ("straight", "active", True)]
        wait_for(lambda: rows(migrated_database, ages) == right)
        beats = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'worker'"
        now = rows(migrated_database, beats)[0][0]
        wait_for(lambda: rows(migrated_database, beats)[0][0] > now + 20)

        assert rows(migrated_database, ages) == right
        checked = "SELECT bool_and(abs(extract(epoch FROM now() - checked_at)) < 60) FROM worker_runtime"
        assert rows(migrated_database, checked) == [(True,)]
    finally:
        for process in (skewed, straight):
            process.terminate()
        assert [process.wait(60) for process in (skewed, straight)] == [0, 0]
