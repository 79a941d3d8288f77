"""A worker process whose runtimes change under it: the registry follows, and tells exactly what happened."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from command_hosts import Machine

SLACK = 20.0
"""How long a change may take here: an interval, and what a loaded machine adds."""
DOWN, UP = ("available", "unavailable"), ("unavailable", "available")


@pytest.fixture
def machine(tmp_path: Path, migrated_database: str) -> Machine:
    made = Machine(tmp_path)
    made.real("sleep")
    made.command("python3", "Python 3.11.7")
    made.command("node", "v20.11.0")
    made.variables |= {
        "DATABASE_URL": migrated_database,
        "ATTUNE__HEARTBEAT__INTERVAL": "0.5s",
        "ATTUNE__HEALTH__INTERVAL": "0.2s",
        "ATTUNE__HEALTH__FULL_INTERVAL": "24h",  # what happens here, the cheap check has seen
        "ATTUNE__DETECTION__MAX_TIMEOUT": "1.5s",
    }
    return made


class Worker:
    """A running worker and what the registry says of it."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url, self.process = url, process
        self.registered_generation = 0

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    @property
    def offers(self) -> dict[str, list[str]]:
        found = self.rows("SELECT capabilities->'runtimes', capabilities->'runtime_versions' FROM worker")
        return {name: versions[name] for names, versions in found for name in names if name in ("python", "node")}

    @property
    def generation(self) -> int:
        """How often the capabilities have changed since the worker registered."""
        return int(self.rows("SELECT generation FROM worker")[0][0]) - self.registered_generation

    @property
    def transitions(self) -> list[tuple[str, str]]:
        return self.rows("SELECT from_status, to_status FROM runtime_transition ORDER BY id")  # type: ignore[return-value]

    def runtime(self, ref: str = "core.python") -> dict[str, Any]:
        names = ("status", "version", "reason", "failures", "since", "checked_at")
        (row,) = self.rows(f"SELECT {', '.join(names)} FROM worker_runtime WHERE runtime_ref = %s", ref)
        return dict(zip(names, row, strict=True))

    def wait(self, condition: Callable[[], Any], what: str = "") -> float:
        """Seconds until *condition* holds."""
        began = time.monotonic()
        while not condition():
            assert self.process.poll() is None, "the worker has ended"
            assert time.monotonic() - began < SLACK, (
                f"{what or condition}: {self.offers} {self.transitions} {self.runtime()}"
            )
            time.sleep(0.03)
        return time.monotonic() - began


@pytest.fixture
def worker(machine: Machine, migrated_database: str) -> Iterator[Worker]:
    process = machine.start("worker", "start", "--name", "w1")
    started = Worker(migrated_database, process)
    began = time.monotonic()
    while not started.rows("SELECT 1 FROM worker WHERE status = 'active'"):
        assert process.poll() is None and time.monotonic() - began < 60
        time.sleep(0.05)
    assert started.offers == {"python": ["3.11.7"], "node": ["20.11.0"]}
    started.registered_generation = started.generation
    yield started
    process.kill()
    process.wait()


def put(machine: Machine, name: str, **keys: Any) -> None:
    """Replace a command in one step, as package managers do."""
    machine.command(f"{name}.new", **keys).replace(machine.bin / name)


def test_a_removed_interpreter_is_withdrawn_and_offered_again_when_it_is_back(machine: Machine, worker: Worker) -> None:
    since = worker.runtime()["since"]
    (machine.bin / "python3").unlink()
    worker.wait(lambda: worker.offers == {"node": ["20.11.0"]})
    lost = worker.runtime()
    assert (lost["status"], lost["version"]) == ("unavailable", None)
    assert "not found on PATH" in lost["reason"]
    assert lost["since"] > since
    assert worker.transitions == [DOWN]

    machine.command("python3", "Python 3.11.7")
    worker.wait(lambda: "python" in worker.offers)
    assert worker.transitions == [DOWN, UP]
    assert worker.generation == 2


def test_another_version_is_registered_without_a_transition(machine: Machine, worker: Worker) -> None:
    before = worker.runtime()
    put(machine, "python3", prints="Python 3.12.1")
    worker.wait(lambda: worker.offers["python"] == ["3.12.1"])
    after = worker.runtime()

    assert (after["status"], after["version"], after["since"]) == ("available", "3.12.1", before["since"])
    assert after["checked_at"] > before["checked_at"]
    assert (worker.transitions, worker.generation) == ([], 1)


def test_output_that_no_longer_matches_withdraws_after_two_failures(machine: Machine, worker: Worker) -> None:
    put(machine, "node", prints="not what it was")
    worker.wait(lambda: worker.transitions == [DOWN])

    assert worker.offers == {"python": ["3.11.7"]}
    assert worker.runtime("core.nodejs")["failures"] >= 2


def test_a_broken_interpreter_is_withdrawn_and_restored(machine: Machine, worker: Worker) -> None:
    put(machine, "python3", prints="Segmentation fault", exit_code=1)
    worker.wait(lambda: worker.transitions == [DOWN])
    assert "expected exit code 0, got 1" in worker.runtime()["reason"]
    assert "python" not in worker.offers

    put(machine, "python3", prints="Python 3.11.9")
    worker.wait(lambda: worker.transitions == [DOWN, UP])
    assert worker.offers["python"] == ["3.11.9"]


def test_a_hanging_interpreter_stays_offered_and_is_doubted(machine: Machine, worker: Worker) -> None:
    put(machine, "python3", script="sleep 60")
    worker.wait(lambda: "could not decide" in worker.runtime()["reason"])
    assert worker.offers["python"] == ["3.11.7"]
    assert worker.runtime()["status"] == "available"

    put(machine, "python3", prints="Python 3.11.7")
    worker.wait(lambda: worker.runtime()["reason"].startswith("verified"))
    assert (worker.transitions, worker.generation) == ([], 0)


def test_a_runtime_that_is_installed_later_is_offered(machine: Machine, worker: Worker) -> None:
    (machine.bin / "node").unlink()
    worker.wait(lambda: "node" not in worker.offers)
    put(machine, "node", prints="v22.0.0")
    worker.wait(lambda: worker.offers.get("node") == ["22.0.0"])

    assert worker.transitions == [DOWN, UP]


def test_a_flapping_interpreter_is_held_back_and_says_so(machine: Machine, worker: Worker) -> None:
    for _ in range(2):
        (machine.bin / "python3").unlink()
        worker.wait(lambda: "python" not in worker.offers)
        machine.command("python3", "Python 3.11.7")
        worker.wait(lambda: "python" in worker.offers)
    (machine.bin / "python3").unlink()
    worker.wait(lambda: "python" not in worker.offers)
    machine.command("python3", "Python 3.11.7")
    worker.wait(lambda: worker.runtime()["reason"].startswith("flapping: 5 changes in "))

    time.sleep(1)
    assert "python" not in worker.offers
    assert worker.transitions == [DOWN, UP, DOWN, UP, DOWN]


def test_an_unchanged_host_is_neither_written_nor_probed(machine: Machine, worker: Worker) -> None:
    machine.command("python3", script=f"echo run >>{machine.folder}/runs; echo Python 3.11.7")
    worker.wait((machine.folder / "runs").exists)
    time.sleep(1.0)
    runs, state = (machine.folder / "runs").read_text(), worker.rows("SELECT * FROM worker_runtime ORDER BY 1, 2")
    time.sleep(2.0)

    assert (machine.folder / "runs").read_text() == runs
    assert worker.rows("SELECT * FROM worker_runtime ORDER BY 1, 2") == state
    assert worker.generation == 0


def test_a_worker_that_is_told_to_stop_ends_a_hanging_check(machine: Machine, worker: Worker) -> None:
    put(machine, "python3", script=f"echo $$ >{machine.folder}/pid; sleep 60")
    worker.wait((machine.folder / "pid").exists)
    worker.process.send_signal(signal.SIGTERM)

    assert worker.process.wait(60) == 0
    assert worker.transitions == []
