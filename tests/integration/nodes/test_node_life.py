"""Nodes as real processes on a real server: joining, holding a name, dying, leaving."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from command_hosts import Machine
from waiting import rows, status, wait_for


@pytest.fixture
def machine(tmp_path: Path, migrated_database: str) -> Machine:
    made = Machine(tmp_path)
    made.command("python3", "Python 3.11.7")
    made.variables["DATABASE_URL"] = migrated_database
    made.variables["ATTUNE__HEARTBEAT__INTERVAL"] = "0.2s"
    return made


@pytest.fixture
def started(machine: Machine) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **keys: Any) -> subprocess.Popen[str]:
        running.append(machine.start(*arguments, **keys))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_a_worker_registers_what_it_verified_and_goes_inactive_on_sigterm(
    machine: Machine, started: Any, migrated_database: str
) -> None:
    process = started("worker", "start", "--name", "w1")
    wait_for(lambda: status(migrated_database).get("w1") == "active")
    ((capabilities,),) = rows(migrated_database, "SELECT capabilities FROM worker")

    assert capabilities["runtimes"] == ["native", "python", "shell"]
    assert capabilities["runtime_source"] == "database"
    assert capabilities["runtime_versions"]["python"] == ["3.11.7"]
    assert {"worker_version", "max_concurrent_executions"} <= set(capabilities)
    verdicts = dict(rows(migrated_database, "SELECT runtime_ref, status FROM worker_runtime"))
    assert verdicts["core.python"] == "available"
    assert verdicts["core.nodejs"] == "unavailable"

    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert status(migrated_database)["w1"] == "inactive"


def test_the_log_has_the_documented_lines(
    machine: Machine, started: Any, migrated_database: str, tmp_path: Path
) -> None:
    log = tmp_path / "w1.log"
    started("worker", "start", "--name", "w1", log=log)
    wait_for(lambda: status(migrated_database).get("w1") == "active")

    text = log.read_text()
    assert "Detecting worker capabilities..." in text
    assert "✓ Runtime available: Python (core.python)" in text
    assert 'Detected available runtimes: ["native", "python", "shell"]' in text.replace('\\"', '"')


@pytest.mark.parametrize(
    ("variables", "file", "source", "names"),
    [
        ({"ATTUNE_SENSOR_RUNTIMES": "python,shell,builtin"}, "", "environment", ["python", "shell", "builtin"]),
        ({}, "sensor: {capabilities: {runtimes: [python, builtin]}}", "config", ["python", "builtin"]),
        ({}, "", "database", ["native", "python", "builtin", "shell"]),
    ],
)
def test_a_sensor_offers_what_the_deciding_tier_says(
    machine: Machine, started: Any, migrated_database: str, variables: Any, file: str, source: str, names: list[str]
) -> None:
    (machine.folder / "attune.yaml").write_text(file)
    started("sensor", "start", "--name", "s1", **variables)
    wait_for(lambda: status(migrated_database, "sensor").get("s1") == "active")
    ((capabilities,),) = rows(migrated_database, "SELECT capabilities FROM worker")

    assert (capabilities["runtime_source"], capabilities["runtimes"]) == (source, names)


def test_a_name_is_refused_to_another_instance_and_taken_over_by_a_newer_start_of_the_same(
    machine: Machine, started: Any, migrated_database: str, tmp_path: Path
) -> None:
    log = tmp_path / "first.log"
    first = started("worker", "start", "--name", "w1", log=log)
    wait_for(lambda: status(migrated_database).get("w1") == "active")
    other = {"ATTUNE__DATA_DIR": str(tmp_path / "elsewhere")}
    refused = machine.attune("worker", "start", "--name", "w1", **other)

    assert refused.returncode == 1
    assert f"the worker name 'w1' is held by pid {first.pid} on {os.uname().nodename}" in refused.stderr
    assert "Traceback" not in refused.stderr

    second = started("worker", "start", "--name", "w1")
    assert first.wait(60) == 2
    assert f"superseded: the worker name 'w1' was taken over by pid {second.pid}" in log.read_text()
    wait_for(lambda: status(migrated_database)["w1"] == "active")
    assert rows(migrated_database, "SELECT (meta->>'pid')::int, epoch FROM worker") == [(second.pid, 2)]

    second.kill()
    second.wait()
    with psycopg.connect(migrated_database, autocommit=True) as owner:
        owner.execute("UPDATE worker SET status = 'lost'")
    third = started("worker", "start", "--name", "w1", **other)
    wait_for(lambda: rows(migrated_database, f"SELECT 1 FROM worker WHERE (meta->>'pid')::int = {third.pid}"))
    assert rows(migrated_database, "SELECT count(*) FROM worker") == [(1,)]


def test_a_heartbeat_moves_and_reads_no_definition(machine: Machine, started: Any, migrated_database: str) -> None:
    def scans() -> int:
        query = (
            "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'runtime'"
        )
        return int(rows(migrated_database, query)[0][0])

    def beats() -> int:
        return int(rows(migrated_database, "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'worker'")[0][0])

    started("worker", "start", "--name", "w1")
    wait_for(lambda: status(migrated_database).get("w1") == "active")
    before = wait_for(scans)  # detection's own, which PostgreSQL counts a little later
    now = beats()
    wait_for(lambda: beats() >= now + 5)

    assert scans() == before


def test_a_bad_definition_is_invalid_on_the_node_and_the_rest_is_offered(
    machine: Machine, started: Any, migrated_database: str
) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("INSERT INTO runtime (ref, name, distributions) VALUES ('acme.bad', 'Bad', '[1]')")
    started("worker", "start", "--name", "w1")
    wait_for(lambda: status(migrated_database).get("w1") == "active")

    found = rows(migrated_database, "SELECT status, reason FROM worker_runtime WHERE runtime_ref = 'acme.bad'")
    assert found == [("invalid", "distributions: expected an object, got [1]")]
    assert "python" in rows(migrated_database, "SELECT capabilities->'runtimes' FROM worker")[0][0]


def test_list_and_show_tell_people_and_programs(machine: Machine, started: Any, migrated_database: str) -> None:
    started("worker", "start", "--name", "w1")
    wait_for(lambda: status(migrated_database).get("w1") == "active")
    listed = machine.attune("worker", "list")
    shown = machine.attune("worker", "show", "w1")
    data = json.loads(machine.attune("worker", "show", "w1", "--json").stdout)
    unknown = machine.attune("worker", "show", "ww1")

    assert "w1" in listed.stdout and "python 3.11.7" in listed.stdout
    assert "verified by `python3 --version`" in shown.stdout
    assert data["status"] == "active"
    assert {one["name"]: one["status"] for one in data["runtimes"]}["python"] == "available"
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "attune: no worker is called 'ww1'\ntry: attune worker show w1\n",
    )


def test_an_unreachable_database_is_one_sentence(machine: Machine) -> None:
    done = machine.attune("worker", "start", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert done.returncode == 1
    assert done.stderr.startswith("attune: cannot reach the database")
    assert "Traceback" not in done.stderr


def test_a_database_without_schema_asks_for_the_migration(machine: Machine, blank_database: str) -> None:
    done = machine.attune("worker", "start", DATABASE_URL=blank_database)

    assert done.returncode == 1
    assert "try: attune db migrate" in done.stderr


def test_a_worker_registers_the_facts_of_its_host_its_labels_and_taints(
    machine: Machine, started: Any, migrated_database: str
) -> None:
    (machine.folder / "attune.yaml").write_text("worker:\n  labels: {zone: eu}\n  taints: [gpu-only]\n")
    started("worker", "start", "--name", "w1")
    wait_for(lambda: status(migrated_database).get("w1") == "active")

    assert machine.attune("match", "os=linux", "zone=eu", "python >=3.9").returncode == 3
    assert machine.attune("match", "os=linux", "zone=eu", "python >=3.9", "--tolerate", "gpu-only").returncode == 0


def test_a_server_that_accepts_and_says_nothing_is_given_up(machine: Machine) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        done = machine.attune("db", "check", DATABASE_URL=url, ATTUNE__DATABASE__CONNECT_TIMEOUT="2s")

    assert done.returncode == 1
    assert done.stderr.startswith("attune: cannot reach the database")
