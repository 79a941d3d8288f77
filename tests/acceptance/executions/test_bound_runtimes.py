"""An action runs in the runtime that it is bound to, in the file that was verified, or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import rows, status, wait_for
from worker_processes import WorkerFleet, ask, load_pack, shown, write_pack

NEVER = {"ATTUNE__HEALTH__INTERVAL": "1h", "ATTUNE__HEALTH__FULL_INTERVAL": "1h"}
WHO = 'case "$1" in --version) echo "Python {version}";; *) echo "\\"{who}\\"";; esac'
RUNTIME = """\
ref: {pack}.python
name: Python
distributions:
  verification:
    commands:
      - {{binary: {pack}-python, args: [--version], pattern: "Python (?P<version>[0-9.]+)"}}
"""
ODD = ("Go Tool", "Ruby 3 (prod)", "Ünïcode", "!docker", "Python 3.11")


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def pack_with_python(folder: Path, pack: str, name: str = "Python") -> Path:
    """A pack with a runtime of its own that is called *name*, and an action for it."""
    action = f"name: who\nlabel: Who\nentry_point: who.py\nruntime: {pack}.python\n"
    runtime = RUNTIME.format(pack=pack).replace("name: Python", f"name: {json.dumps(name)}")
    files = {"runtimes/python.yaml": runtime, "actions/who.yaml": action, "actions/who.py": "pass\n"}
    return write(folder / pack, {"pack.yaml": f"ref: {pack}\nlabel: {pack}\nversion: 1.0.0\n", **files})


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str) -> Iterator[WorkerFleet]:
    made = WorkerFleet(tmp_path, migrated_database, {"w1": ("shell", "python")}, settings=NEVER)
    load_pack(made.url, write_pack(tmp_path / "pack"))
    yield made
    made.close()


def begin(fleet: WorkerFleet) -> None:
    fleet.start("w1")
    wait_for(lambda: status(fleet.url) == {"w1": "active"})


def ended(fleet: WorkerFleet, ref: str) -> dict[str, object]:
    (number,) = ask(fleet.url, [(ref, {})])
    return wait_for(lambda: found if (found := shown(fleet.url, number))["finished_at"] else None)


def test_two_packs_whose_runtimes_are_both_called_python_never_run_each_others_work(fleet: WorkerFleet) -> None:
    for pack, version in (("acme", "3.9.1"), ("other", "3.14.0")):
        load_pack(fleet.url, pack_with_python(fleet.folder, pack))
        fleet.machine("w1").command(f"{pack}-python", script=WHO.format(version=version, who=pack))
    begin(fleet)
    for pack, version in (("acme", "3.9.1"), ("other", "3.14.0")) * 3:
        execution = ended(fleet, f"{pack}.who")
        assert (execution["status"], execution["result"], execution["requirement"]) == (
            "completed",
            pack,
            f"{pack}.python",
        )
        used = execution["interpreter"]["python"]  # type: ignore[index]
        path = str(fleet.machine("w1").bin / f"{pack}-python")
        assert (used["ref"], used["version"], used["path"]) == (f"{pack}.python", version, path)
        assert (used["real_path"], used["status"]) == (os.path.realpath(path), "available")
        assert used["verified_by"] == f"{path} --version" or used["verified_by"].endswith("-python --version")
        assert used["verified_at"] and execution["pack_digest"]

    machine = fleet.machine("w1")
    assert machine.attune("match", "acme.python >=3,<3.10").returncode == 0
    assert machine.attune("match", "acme.python >=3.10").returncode == 3
    assert machine.attune("match", "python >=3.14").returncode == 0
    assert machine.attune("detect", "--require", "other.python >=3.14").returncode == 0
    assert machine.attune("detect", "--require", "acme.python >=3.14").returncode == 3
    told = machine.attune("execution", "show", "1", DATABASE_URL=fleet.logins.url("ops", "reader")).stdout
    assert "acme.python, " in told and "verified by `" in told and "pack files" in told


def test_whatever_a_runtime_is_called_its_actions_run(fleet: WorkerFleet) -> None:
    packs = {f"odd{number}": name for number, name in enumerate(ODD)}
    for pack, name in packs.items():
        load_pack(fleet.url, pack_with_python(fleet.folder, pack, name))
        fleet.machine("w1").command(f"{pack}-python", script=WHO.format(version="3.12.1", who=pack))
    begin(fleet)

    assert {pack: ended(fleet, f"{pack}.who")["result"] for pack in packs} == {pack: pack for pack in packs}


def test_what_has_changed_since_it_was_verified_is_verified_before_it_runs_anything(fleet: WorkerFleet) -> None:
    load_pack(fleet.url, pack_with_python(fleet.folder, "acme"))
    machine = fleet.machine("w1")
    machine.command("acme-python", script=WHO.format(version="3.9.1", who="old"))
    begin(fleet)
    assert ended(fleet, "acme.who")["result"] == "old"

    (machine.bin / "acme-python").unlink()
    machine.command("acme-python", script=WHO.format(version="3.9.2", who="new"))
    execution = ended(fleet, "acme.who")
    assert (execution["result"], execution["interpreter"]["python"]["version"]) == ("new", "3.9.2")  # type: ignore[index]

    (machine.bin / "acme-python").unlink()
    machine.command("acme-python", script="echo broken; exit 3")
    (number,) = ask(fleet.url, [("acme.who", {})])
    why = "given back by worker w1: the interpreter of python has changed since it was verified, and fails now"
    wait_for(lambda: shown(fleet.url, number)["reason"] == why)
    wait_for(lambda: shown(fleet.url, number)["status"] == "requested")
    assert shown(fleet.url, number)["attempt"] == 0
    withdrawn = "SELECT status FROM worker_runtime WHERE runtime_ref = 'acme.python'"
    wait_for(lambda: rows(fleet.url, withdrawn) == [("unavailable",)])
