"""`attune.load_fleet`: the fleet of a database, for programs that embed the matcher."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from attune import DatabaseError, Settings, UsageError, WorkerRegistration, load_fleet
from attune.core.matching.explain import explain
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement
from attune.core.runtimes.verdict import Status
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


@pytest.mark.parametrize("instances", ['"x"', "[1]", "7", '[{"version": {"a": 1}}]', '[{"path": []}]', '[{"b": 1}]'])
def test_a_row_that_no_node_of_ours_writes_makes_that_runtime_invalid_there_and_nothing_else(
    migrated_database: str, instances: str
) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("INSERT INTO worker (id, name, worker_type, status) VALUES (1, 'evil', 'local', 'active')")
        connection.execute(
            "INSERT INTO worker_runtime (worker, runtime_ref, name, status, reason, instances, evidence)"
            " VALUES (1, 'core.python', 'python', 'available', 'x', %s, '{\"command\": 7}')",
            (instances,),
        )
    (node,) = asyncio.run(load_fleet(migrated_database))
    python = node.capabilities["python"]

    assert (python.status, python.instances) == (Status.INVALID, ())
    assert python.reason == "what the node wrote of it cannot be read"
    assert match(Requirement.parse("python"), [node]).eligible == ()


def test_what_a_check_could_not_decide_says_what_was_good_last_and_when(migrated_database: str) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("INSERT INTO worker (id, name, worker_type, status) VALUES (1, 'w9', 'local', 'active')")
        connection.execute(
            "INSERT INTO worker_runtime (worker, runtime_ref, name, status, version, reason, instances, since)"
            " VALUES"
            " (1, 'core.python', 'python', 'unknown', '3.12.1', 'check timed out', '[]', now() - interval '41m'),"
            " (1, 'core.shell', 'shell', 'available', '5.2', 'verified', '[]', now() - interval '9m'),"
            " (1, 'core.ruby', 'ruby', 'unknown', NULL, 'check timed out', '[]', now() - interval '9m')"
        )
    (node,) = asyncio.run(load_fleet(migrated_database))
    because = explain(Requirement.parse("python"), [node]).terms[0].causes[0].found

    assert because == "check timed out, last good 3.12.1 41m ago"
    shell, ruby = node.capabilities["shell"], node.capabilities["ruby"]
    assert [shell.last_good_version, shell.last_good_age, ruby.last_good_version, ruby.last_good_age] == [None] * 4


def test_another_role_is_refused() -> None:
    with pytest.raises(UsageError, match="role: expected worker or sensor, got 'boss'"):
        asyncio.run(load_fleet("postgresql://nowhere/at_all", role="boss"))


def test_a_database_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(DatabaseError, match="cannot reach the database"):
        asyncio.run(load_fleet("postgresql://nobody@127.0.0.1:1/nothing"))
