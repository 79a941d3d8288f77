"""A worker among three that cannot run anything: it takes nothing for long, nothing is lost, and it heals by itself."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_hosts import Machine
from waiting import rows, status, wait_for
from worker_processes import WorkerFleet, ask, load_pack, write_pack

CONCURRENCY = 4
HOLE, NAMES = "w3", ("w1", "w2", "w3")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that may hold run folders: none of its parents is everybody's."""
    made = Path(tempfile.mkdtemp(prefix="attune-test-", dir="/var/lib" if os.geteuid() == 0 else Path.home()))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str, place: Path) -> Iterator[WorkerFleet]:
    settings = {"ATTUNE__HEALTH__INTERVAL": "10m", "ATTUNE__HEALTH__FULL_INTERVAL": "10m"}
    made = WorkerFleet(tmp_path, migrated_database, dict.fromkeys(NAMES, ("shell", "python")), CONCURRENCY, settings)
    load_pack(made.url, write_pack(tmp_path / "pack"))
    made.machine(HOLE).variables["ATTUNE__HOST__RUN_FOLDER"] = str(place / "run")
    yield made
    made.close()


def given_back(fleet: WorkerFleet) -> int:
    """How many attempts of the hole came to nothing; all others count as lost or failed, and there are none."""
    query = "SELECT count(*)::int, sum(attempt)::int, sum(failures + losses)::int FROM execution"
    ((count, attempts, harmed),) = rows(fleet.url, query)
    assert harmed == 0
    return int(attempts - count)


def in_the_way(folder: Path) -> None:
    """A file where that folder is."""
    folder.rename(folder.with_suffix(".away"))
    folder.write_text("")


def out_of_the_way(folder: Path) -> None:
    folder.unlink()
    folder.with_suffix(".away").rename(folder)


def jobs() -> int:
    """300, or what the soak asks for."""
    return int(os.environ.get("ATTUNE_TEST_BLACK_HOLE_JOBS", "300"))


def test_a_run_folder_that_fails_at_work_costs_no_work(fleet: WorkerFleet, place: Path) -> None:
    fleet.start(*NAMES)
    wait_for(lambda: status(fleet.url) == dict.fromkeys(NAMES, "active"))
    in_the_way(place / "run")
    ask(fleet.url, [("check.shell", {"told": str(fleet.told)})] * jobs())
    wait_for(lambda: fleet.counts() == {"completed": jobs()}, seconds=300)

    assert 1 <= given_back(fleet) <= CONCURRENCY + 2
    assert len(fleet.runs()) == jobs()
    assert HOLE not in {worker for _, worker, _ in fleet.runs()}
    wait_for(lambda: status(fleet.url)[HOLE] == "degraded")
    ((problem,),) = rows(fleet.url, f"SELECT problem FROM worker WHERE name = '{HOLE}'")
    assert f"{place / 'run'}: file exists" in problem
    told = Machine(fleet.folder / HOLE, {"DATABASE_URL": fleet.url}).attune("worker", "show", HOLE)
    assert f"takes nothing: {problem}" in told.stdout

    out_of_the_way(place / "run")
    wait_for(lambda: status(fleet.url)[HOLE] == "active", seconds=30)
    changes = rows(fleet.url, "SELECT name, from_status, to_status FROM runtime_transition ORDER BY id")
    assert changes == [("place", "active", "degraded"), ("place", "degraded", "active")]
    ask(fleet.url, [("check.shell", {"told": str(fleet.told)})] * 60)
    wait_for(lambda: HOLE in {worker for _, worker, _ in fleet.runs()})


def test_a_worker_that_starts_without_a_place_takes_nothing_at_all(fleet: WorkerFleet, place: Path) -> None:
    (place / "run").write_text("")
    fleet.start(*NAMES)
    wait_for(lambda: status(fleet.url) == {"w1": "active", "w2": "active", HOLE: "degraded"})
    ask(fleet.url, [("check.shell", {"told": str(fleet.told)})] * 50)
    wait_for(lambda: fleet.counts() == {"completed": 50})

    assert given_back(fleet) == 0
    (place / "run").unlink()
    wait_for(lambda: status(fleet.url)[HOLE] == "active", seconds=30)
