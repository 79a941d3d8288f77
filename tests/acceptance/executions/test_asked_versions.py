"""What waits is run as it was asked for, files and row, whatever is loaded meanwhile; or it is withdrawn by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from command_hosts import Machine
from logins import Logins
from pack_folders import write_pack
from waiting import rows, wait_for
from worker_processes import WorkerFleet, ask, load_pack, shown

HEAD = "ref: check\nlabel: Check\nversion: 1.0.0\n"
OLD = """
    name: act
    label: Act
    entry_point: old.sh
    runtime: shell
    delivery: env
    retries: 1
    retry_delay: 0s
    parameters: {dry-run: {type: boolean, default: true}}
    """
NEW = """
    name: act
    label: Act
    entry_point: new.sh
    runtime: shell
    delivery: args
    parameters: {dry-run: {type: boolean, default: false}}
    output: {n: {type: integer}}
    """


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str) -> Iterator[WorkerFleet]:
    made = WorkerFleet(tmp_path, migrated_database, {"w1": ("shell",)})
    load(made, {"pack.yaml": HEAD, "actions/act.yaml": OLD, "actions/old.sh": 'echo "$ATTUNE_PARAM_DRY_RUN"\n'})
    yield made
    made.close()


@pytest.fixture
def operator(tmp_path: Path, logins: Logins) -> Machine:
    (tmp_path / "operator").mkdir()
    return Machine(tmp_path / "operator", {"DATABASE_URL": logins.url("ops", "admin")})


def load(fleet: WorkerFleet, files: dict[str, str | None]) -> Path:
    folder = write_pack(fleet.folder / "pack", files)
    load_pack(fleet.url, folder)
    return folder


def upgrade(fleet: WorkerFleet) -> Path:
    """Load the action with another entry point, delivery, default and number of retries."""
    return load(fleet, {"actions/act.yaml": NEW, "actions/old.sh": None, "actions/new.sh": "echo '\"new\"'\n"})


def test_what_waits_runs_the_file_the_delivery_and_the_defaults_it_was_asked_with(fleet: WorkerFleet) -> None:
    (old,) = ask(fleet.url, [("check.act", {})])
    upgrade(fleet)
    (new,) = ask(fleet.url, [("check.act", {})])
    fleet.start("w1")
    ended = [wait_for(lambda n=n: one if (one := shown(fleet.url, n))["finished_at"] else None) for n in (old, new)]

    assert [(one["status"], one["result"], one["retries"]) for one in ended] == [
        ("completed", True, 1),
        ("completed", "new", 0),
    ]
    assert [one["config"] for one in ended] == [{"dry-run": True}, {"dry-run": False}]
    assert [one["reason"] for one in ended] == [
        None,
        "its result is not what its output says: result: expected an object, got 'new'",
    ]
    assert len({one["pack_digest"] for one in ended}) == 2


def test_what_waits_for_old_contents_is_withdrawn_where_that_is_asked_for(
    fleet: WorkerFleet, operator: Machine
) -> None:
    (old,) = ask(fleet.url, [("check.act", {})])
    folder = upgrade(fleet)
    (new,) = ask(fleet.url, [("check.act", {})])

    said = operator.attune("pack", "load", str(folder), "--cancel-waiting")
    assert (said.returncode, f"cancelled execution {old}\n" in said.stdout) == (0, True), said
    assert [shown(fleet.url, number)["status"] for number in (old, new)] == ["cancelled", "requested"]
    refused = operator.attune("pack", "remove", "check")
    assert refused.returncode != 0
    assert f"execution {new}, which is requested" in refused.stderr
    assert operator.attune("pack", "remove", "check", "--cancel-waiting").returncode == 0
    assert shown(fleet.url, new)["status"] == "cancelled"
    assert rows(fleet.url, "SELECT count(*) FROM pack_version") == [(0,)]
