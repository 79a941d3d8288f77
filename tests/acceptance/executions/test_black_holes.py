"""A worker among three that cannot run anything: it takes nothing for long, nothing is lost, and it heals by itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from black_holes import (
    HOLE,
    breakable_python,
    costs_no_work,
    full_file_system,
    given_back,
    in_the_way,
    made_fleet,
    made_place,
    offered,
    out_of_the_way,
    start_all,
)
from command_hosts import Machine
from waiting import rows, status, wait_for
from worker_processes import WorkerFleet, ask

WITHOUT_SMOKE = "UPDATE runtime SET distributions = distributions #- '{verification,smoke}' WHERE ref = 'core.python'"

REASON = f"""
    SELECT r.reason FROM worker_runtime AS r JOIN worker AS w ON w.id = r.worker
    WHERE w.name = '{HOLE}' AND r.runtime_ref = 'core.python'
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with made_place() as made:
        yield made


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str, place: Path) -> Iterator[WorkerFleet]:
    with made_fleet(tmp_path, migrated_database, place) as made:
        yield made


def test_a_run_folder_that_fails_at_work_costs_no_work(fleet: WorkerFleet, place: Path) -> None:
    start_all(fleet)
    in_the_way(place / "run")
    costs_no_work(fleet, "check.shell", 120)

    wait_for(lambda: status(fleet.url)[HOLE] == "degraded")
    ((problem,),) = rows(fleet.url, f"SELECT problem FROM worker WHERE name = '{HOLE}'")
    assert f"{place / 'run'}: file exists" in problem
    operator = Machine(fleet.folder / HOLE, {"DATABASE_URL": fleet.logins.url("ops", "admin")})
    told = operator.attune("worker", "show", HOLE)
    assert f"takes nothing: {problem}" in told.stdout

    out_of_the_way(place / "run")
    wait_for(lambda: status(fleet.url)[HOLE] == "active")
    changes = rows(fleet.url, "SELECT name, from_status, to_status FROM runtime_transition ORDER BY id")
    assert changes == [("place", "active", "degraded"), ("place", "degraded", "active")]
    ask(fleet.url, [("check.shell", {"told": str(fleet.told)})] * 30)
    wait_for(lambda: HOLE in {worker for _, worker, _ in fleet.runs()})


@pytest.mark.parametrize("lacks", ["space", "inodes"])
def test_a_run_folder_on_a_full_file_system_costs_no_work(fleet: WorkerFleet, place: Path, lacks: str) -> None:
    with full_file_system(place / "run", lacks) as fill:
        start_all(fleet)
        rest = fill()
        costs_no_work(fleet, "check.shell", 60)

        wait_for(lambda: status(fleet.url)[HOLE] == "degraded")
        ((problem,),) = rows(fleet.url, f"SELECT problem FROM worker WHERE name = '{HOLE}'")
        assert re.search(f"{place / 'run'}.*: no {'space' if lacks == 'space' else '(inode|space)'} left", problem)
        shutil.rmtree(rest)
        wait_for(lambda: status(fleet.url)[HOLE] == "active")


def test_a_worker_that_starts_without_a_place_takes_nothing_at_all(fleet: WorkerFleet, place: Path) -> None:
    (place / "run").write_text("")
    fleet.start("w1", "w2", HOLE)
    wait_for(lambda: status(fleet.url) == {"w1": "active", "w2": "active", HOLE: "degraded"})
    ask(fleet.url, [("check.shell", {"told": str(fleet.told)})] * 50)
    wait_for(lambda: fleet.counts() == {"completed": 50})

    assert given_back(fleet) == 0
    assert "python" not in offered(fleet)
    (place / "run").unlink()
    wait_for(lambda: status(fleet.url)[HOLE] == "active")
    wait_for(lambda: "python" in offered(fleet))


@pytest.mark.parametrize("definition", ["with a smoke check", "without one"])
def test_a_python_that_breaks_between_two_checks_costs_no_work(fleet: WorkerFleet, definition: str) -> None:
    if definition == "without one":
        with psycopg.connect(fleet.url, autocommit=True) as connection:
            connection.execute(WITHOUT_SMOKE)
    broken = breakable_python(fleet)
    start_all(fleet)
    assert "python" in offered(fleet)
    broken.touch()
    costs_no_work(fleet, "check.python", 60)

    wait_for(lambda: "python" not in offered(fleet))
    ((reason,),) = rows(fleet.url, REASON)
    assert "says its version, but could not be started for real" in reason
    assert "No module named 'encodings'" in reason
    broken.unlink()
    operator = Machine(fleet.folder / HOLE, {"DATABASE_URL": fleet.logins.url("ops", "admin")})
    told = operator.attune("worker", "reload", HOLE)
    assert told.returncode == 0, told.stderr
    wait_for(lambda: "python" in offered(fleet))
