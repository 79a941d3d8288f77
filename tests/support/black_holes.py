"""A worker among three that cannot run anything, and what it may cost the work of all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from waiting import rows, status, wait_for
from worker_processes import WorkerFleet, ask, load_pack, write_pack

CONCURRENCY = 4
HOLE, NAMES = "w3", ("w1", "w2", "w3")
BREAKABLE = """\
[ "$1" = --version ] && echo "Python 3.11.7" && exit
[ -e {broken} ] && echo "ModuleNotFoundError: No module named 'encodings'" >&2 && exit 1
exec {python} "$@"
"""
"""A python that says its version, whatever has become of its standard library."""


@contextmanager
def made_place() -> Iterator[Path]:
    """A folder that may hold run folders: none of its parents is everybody's."""
    made = Path(tempfile.mkdtemp(prefix="attune-test-", dir="/var/lib" if os.geteuid() == 0 else Path.home()))
    yield made
    shutil.rmtree(made)


@contextmanager
def made_fleet(folder: Path, url: str, place: Path) -> Iterator[WorkerFleet]:
    """Three workers that look at nothing by themselves, the hole with its run folder in *place*."""
    settings = {"ATTUNE__HEALTH__INTERVAL": "10m", "ATTUNE__HEALTH__FULL_INTERVAL": "10m"}
    made = WorkerFleet(folder, url, dict.fromkeys(NAMES, ("shell", "python")), CONCURRENCY, settings)
    load_pack(made.url, write_pack(folder / "pack"))
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


@contextmanager
def full_file_system(folder: Path, lacks: str) -> Iterator[Callable[[], Path]]:
    """A file system of its own at *folder*, and what fills it, which returns the folder whose removal makes room."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=200,mode=0755", "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")

    def fill() -> Path:
        (rest := folder / "rest").mkdir()
        with suppress(OSError):
            for number in count():
                with (rest / str(number)).open("wb", buffering=0) as file:
                    while lacks == "space":
                        file.write(bytes(4096))
        return rest

    try:
        yield fill
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def costs_no_work(fleet: WorkerFleet, action: str, jobs: int) -> int:
    """Run that many with the hole broken; how many it has given back."""
    ask(fleet.url, [(action, {"told": str(fleet.told)})] * jobs)
    wait_for(lambda: fleet.counts() == {"completed": jobs}, seconds=250 + jobs / 4)
    assert 1 <= given_back(fleet) <= CONCURRENCY + 2
    assert len(fleet.runs()) == jobs
    assert HOLE not in {worker for _, worker, _ in fleet.runs()}
    return given_back(fleet)


def breakable_python(fleet: WorkerFleet) -> Path:
    """Give the hole a python that is broken once there is a file at that path."""
    machine, broken = fleet.machine(HOLE), fleet.folder / "broken"
    fleet.take(HOLE, "python")
    script = BREAKABLE.format(broken=broken, python=Path(sys.executable).resolve())
    machine.command("python3", script=script, exit_code=1)  # else it passes any smoke check
    return broken


def start_all(fleet: WorkerFleet) -> None:
    fleet.start(*NAMES)
    wait_for(lambda: status(fleet.url) == dict.fromkeys(NAMES, "active"))


def offered(fleet: WorkerFleet) -> list[str]:
    """What the hole offers."""
    ((names,),) = rows(fleet.url, f"SELECT capabilities->'runtimes' FROM worker WHERE name = '{HOLE}'")
    return list(names)
