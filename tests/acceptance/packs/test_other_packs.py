"""Packs as other installations write them: they load, what is read otherwise is told, and their actions run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_hosts import Machine
from logins import Logins
from pack_folders import other_packs, write_other_pack
from waiting import status, wait_for
from worker_processes import WorkerFleet, ask, load_pack, shown

PACKS = Path(__file__).parents[2] / "corpus" / "packs"
RUNS: dict[str, tuple[dict[str, Any], Any]] = {
    "greetings.greet": ({"who": "Ann"}, {"greeted": "Ann", "times": 2}),
    "weather.forecast": ({"city": "Bern"}, {"city": "Bern", "days": 1, "warm": False}),
    "native.whoami": ({}, {"action": "native.whoami"}),
    "placed.where": ({}, {"worker": "w1"}),
    "doors.note": ({"door": "back"}, {"noted": {"door": "back"}}),
    "columns.one": ({"a": "b"}, {"a": "b"}),
    "release.tag": ({"name": "v1"}, {"tagged": True}),
}
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "doors.opened": (
        {"door": {"name": "front"}, "tags": ["red"]},
        {"door": "front", "tag": "red", "text": "door front, as it is"},
    ),
    "columns.t": ({"a": "c"}, {"a": "c"}),
}
NOT_FOLLOWED = {"doors.opened": {"door": {"name": "front"}, "tags": []}}
WRITTEN = other_packs()
LABELS = "{zone: eu, disk: ssd, rack: r1}"


def ended(url: str, number: int) -> dict[str, Any]:
    return wait_for(lambda: found if (found := shown(url, number))["finished_at"] else None)


def send(operator: Machine, trigger: str, payload: dict[str, Any]) -> list[int]:
    """Tell of an event; the executions that follow."""
    given = [option for name, value in payload.items() for option in ("-p", f"{name}:={json.dumps(value)}")]
    sent = operator.attune("event", "send", trigger, *given, "--json")
    assert sent.returncode == 0, sent.stderr
    return [one["execution"] for one in json.loads(sent.stdout)["enforcements"]]


@pytest.fixture
def operator(tmp_path: Path, logins: Logins) -> Machine:
    (tmp_path / "operator").mkdir()
    return Machine(tmp_path / "operator", {"DATABASE_URL": logins.url("ops", "admin")})


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str) -> Iterator[WorkerFleet]:
    settings = {"ATTUNE__WORKER__LABELS": LABELS}
    made = WorkerFleet(tmp_path, migrated_database, {"w1": ("shell", "python")}, settings=settings)
    yield made
    made.close()


def test_the_actions_and_rules_of_other_packs_run(fleet: WorkerFleet, operator: Machine, tmp_path: Path) -> None:
    for folder in (*sorted(PACKS.iterdir()), *(write_other_pack(tmp_path / "written", ref) for ref in WRITTEN)):
        load_pack(fleet.url, folder)
    assert {ref.split(".")[0] for ref in RUNS} == {folder.name for folder in PACKS.iterdir()}
    fleet.start("w1")
    wait_for(lambda: status(fleet.url) == {"w1": "active"})

    assert operator.attune("pack", "new", "fresh").returncode == 0
    load_pack(fleet.url, operator.folder / "fresh")
    runs = {
        **RUNS,
        "fresh.hello": ({"who": "Ann"}, {"said": "Hello, Ann!"}),
        **{ref: tuple(run) for pack in WRITTEN.values() for ref, run in pack["runs"].items()},
    }
    numbers = ask(fleet.url, [(ref, given) for ref, (given, _) in runs.items()])
    for number, (ref, (_, result)) in zip(numbers, runs.items(), strict=True):
        done = ended(fleet.url, number)
        assert (done["status"], done["result"]) == ("completed", result), (ref, done["reason"])

    for trigger, (payload, parameters) in EVENTS.items():
        (number,) = send(operator, trigger, payload)
        assert shown(fleet.url, number)["config"] == parameters
    for trigger, sent in [item for pack in WRITTEN.values() for item in pack.get("events", {}).items()]:
        for payload, parameters in sent:
            asked = send(operator, trigger, payload)
            assert [shown(fleet.url, number)["config"] for number in asked] == [parameters] * len(asked), payload
            assert len(asked) == (parameters is not None), payload
    for trigger, payload in NOT_FOLLOWED.items():
        assert send(operator, trigger, payload) == []
