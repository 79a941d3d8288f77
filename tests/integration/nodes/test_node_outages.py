"""What becomes of nodes when processes die or freeze, the database goes away, and operators ask for things."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_hosts import Machine
from waiting import rows, status, wait_for

QUICK = {
    "ATTUNE__HEARTBEAT__INTERVAL": "0.2s",
    "ATTUNE__HEARTBEAT__STALE_AFTER": "2s",
    "ATTUNE__HEARTBEAT__LOST_AFTER": "4s",
    "ATTUNE__HEARTBEAT__AMNESTY": "0s",
}


@pytest.fixture
def machine(tmp_path: Path, migrated_database: str) -> Machine:
    made = Machine(tmp_path)
    made.command("python3", "Python 3.11.7")
    made.variables |= {"DATABASE_URL": migrated_database, **QUICK}
    return made


@pytest.fixture
def started(machine: Machine) -> Iterator[Any]:
    running = []

    def start(*arguments: str, **keys: Any) -> Any:
        running.append(machine.start(*arguments, **keys))
        return running[-1]

    yield start
    for process in running:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def test_a_killed_node_becomes_stale_and_then_lost_while_another_watches(
    machine: Machine, started: Any, migrated_database: str
) -> None:
    started("worker", "start", "--name", "watcher")
    victim = started("worker", "start", "--name", "victim")
    wait_for(lambda: status(migrated_database) == {"watcher": "active", "victim": "active"})
    victim.kill()

    wait_for(lambda: status(migrated_database)["victim"] in ("stale", "lost"))  # a late look finds it lost at once
    wait_for(lambda: status(migrated_database)["victim"] == "lost")
    assert status(migrated_database)["watcher"] == "active"
    assert machine.attune("worker", "remove", "watcher").returncode == 2
    assert machine.attune("worker", "remove", "victim").stdout == "victim is forgotten\n"
    assert status(migrated_database) == {"watcher": "active"}


def test_a_frozen_node_is_lost_and_active_again_when_it_thaws(
    machine: Machine, started: Any, migrated_database: str
) -> None:
    started("worker", "start", "--name", "watcher")
    frozen = started("worker", "start", "--name", "frozen")
    wait_for(lambda: status(migrated_database) == {"watcher": "active", "frozen": "active"})
    frozen.send_signal(signal.SIGSTOP)
    wait_for(lambda: status(migrated_database)["frozen"] == "lost")
    frozen.send_signal(signal.SIGCONT)

    wait_for(lambda: status(migrated_database)["frozen"] == "active")


def test_drain_resume_and_reload_reach_a_running_node(machine: Machine, started: Any, migrated_database: str) -> None:
    log = machine.folder / "w1.log"
    started("worker", "start", "--name", "w1", log=log)
    wait_for(lambda: status(migrated_database).get("w1") == "active")
    assert machine.attune("worker", "drain", "w1").stdout == "w1 drains\n"
    wait_for(lambda: "now draining" in log.read_text())
    assert machine.attune("worker", "resume", "w1").returncode == 0
    wait_for(lambda: "now active" in log.read_text())
    assert machine.attune("worker", "resume", "w1").returncode == 0

    machine.command("node", "v20.20.2")
    assert machine.attune("worker", "reload", "w1").returncode == 0
    wait_for(lambda: "node" in rows(migrated_database, "SELECT capabilities->'runtimes' FROM worker")[0][0])


def test_sighup_reads_the_definitions_again(machine: Machine, started: Any, migrated_database: str) -> None:
    process = started("worker", "start", "--name", "w1")
    wait_for(lambda: status(migrated_database).get("w1") == "active")
    machine.command("ruby", "ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]")
    assert machine.attune("runtime", "add", "--from-catalogue", "ruby").returncode == 0
    time.sleep(1)
    assert "ruby" not in rows(migrated_database, "SELECT capabilities->'runtimes' FROM worker")[0][0]
    process.send_signal(signal.SIGHUP)

    wait_for(lambda: "ruby" in rows(migrated_database, "SELECT capabilities->'runtimes' FROM worker")[0][0])


@pytest.mark.usefixtures("installed")
def test_a_node_outlives_its_database_says_so_once_and_heals_its_row(machine: Machine, started: Any) -> None:
    del machine.variables["DATABASE_URL"]
    log = machine.folder / "up.log"
    started("worker", "start", "--name", "w1", log=log)
    wait_for(lambda: "worker registered" in log.read_text())
    postmaster = machine.folder / "data" / "postgres" / "postmaster.pid"
    for _ in range(2):
        before = log.read_text().count("heartbeats work again")
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)  # as pg_ctl stop -m immediate does
        wait_for(lambda seen=before: log.read_text().count("heartbeats work again") > seen)

    listed = json.loads(machine.attune("worker", "list", "--json").stdout)
    assert [(one["name"], one["status"]) for one in listed] == [("w1", "active")]
    assert log.read_text().count("heartbeat failed") == 2


def test_systemd_is_told_when_the_node_is_ready_alive_and_stopping(
    machine: Machine, started: Any, tmp_path: Path
) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        process = started(
            "worker", "start", "--name", "w1", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000"
        )
        said: list[str] = []
        while said.count("WATCHDOG=1") < 3 or "READY=1" not in said:
            said.append(manager.recv(100).decode())
        assert set(said) == {"WATCHDOG=1", "READY=1"}
        assert said.count("READY=1") == 1
        process.send_signal(signal.SIGTERM)
        while manager.recv(100) != b"STOPPING=1":
            pass
    assert process.wait(60) == 0
