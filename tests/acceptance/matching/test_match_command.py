"""`attune match` on a fleet in a real database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import Registration
from attune.core.runtimes.verdict import Evidence, Instance, Status, Verdict
from attune.postgres.connection import open_pool
from attune.postgres.nodes.registry import PostgresNodes
from command_hosts import Machine
from logins import Logins


def verdict(name: str, *versions: str, status: Status = Status.AVAILABLE, reason: str = "verified") -> Verdict:
    instances = tuple(
        Instance(version, f"/usr/bin/{name}-{version}", f"/usr/bin/{name}-{version}") for version in versions
    )
    return Verdict(f"core.{name}", name, status, reason, name, instances, Evidence((name, "--version"), 0, ""))


FLEET = {
    "build-1": ([verdict("python", "3.11.7"), verdict("node", "20.20.2")], {"zone": "eu", "cpus": "8"}, []),
    "build-2": ([verdict("python", "3.12.1", "3.9.18"), verdict("node", "18.20.4")], {"zone": "us", "cpus": "4"}, []),
    "gpu-1": ([verdict("python", "3.11.9"), verdict("node", "22.1.0")], {"zone": "eu"}, ["gpu-only"]),
    "sick": ([verdict("python", status=Status.UNKNOWN, reason="python3 --version: timed out after 10 s")], {}, []),
}


@pytest.fixture
def machine(tmp_path: Path, migrated_database: str, logins: Logins) -> Machine:
    async def register() -> None:
        async with open_pool(migrated_database) as pool:
            for name, (verdicts, labels, taints) in FLEET.items():
                capabilities: dict[str, Any] = {"max_concurrent_executions": 4}
                await PostgresNodes(pool).register(
                    Registration(name, WORKER, name, 1, capabilities, verdicts, labels=labels, taints=taints)
                )

    asyncio.run(register())
    made = Machine(tmp_path)
    made.variables["DATABASE_URL"] = logins.url("ops", "admin")
    return made


def test_the_eligible_nodes_come_ranked_with_the_interpreter_to_use(machine: Machine) -> None:
    done = machine.attune("match", "python >=3.9,<3.13", "--prefer", "zone=us *5", "--json")
    data = json.loads(done.stdout)

    assert done.returncode == 0
    assert [(one["name"], one["score"]) for one in data["eligible"]] == [("build-2", 5), ("build-1", 0)]
    assert data["eligible"][0]["runtimes"]["python"] == {"version": "3.12.1", "path": "/usr/bin/python-3.12.1"}
    assert data["queue"].startswith("cap-") and len(data["queue"]) == 36
    assert data["explanation"]["fleet"]["undecided"]["count"] == 1


def test_the_text_names_nodes_and_says_what_each_term_found(machine: Machine) -> None:
    done = machine.attune("match", "python >=3.9", "node ^20.1")

    assert done.returncode == 0
    assert done.stdout.startswith("WORKER")
    assert "node 20.20.2 at /usr/bin/node-20.20.2" in done.stdout
    assert "READY" in done.stdout


def test_when_nothing_can_run_it_the_exit_code_is_3_and_a_repair_is_offered(machine: Machine) -> None:
    done = machine.attune("match", "python >=3.13")

    assert done.returncode == 3
    assert done.stdout.startswith("BLOCKED\n")
    assert "fleet     4 = 0 able" in done.stdout
    assert "repair    python >=3.12" in done.stdout


def test_a_taint_keeps_work_away_unless_it_is_tolerated(machine: Machine) -> None:
    assert machine.attune("match", "node >=22").returncode == 3
    tolerated = machine.attune("match", "node >=22", "--tolerate", "gpu-only", "--json")

    assert [one["name"] for one in json.loads(tolerated.stdout)["eligible"]] == ["gpu-1"]


def test_labels_and_numbers_are_terms(machine: Machine) -> None:
    data = json.loads(machine.attune("match", "zone=eu", "cpus >=8", "--json").stdout)

    assert [one["name"] for one in data["eligible"]] == ["build-1"]


@pytest.mark.parametrize(
    ("term", "caret"),
    [
        ("python >>3", "  python >>3\n         ^ expected an operator"),
        ("", "  \n  ^ expected a term"),
        ("pyth\u043en", "U+043E"),
        ("python (", "         ^ expected a version"),
    ],
)
def test_a_requirement_that_cannot_be_read_is_shown_with_a_caret(machine: Machine, term: str, caret: str) -> None:
    done = machine.attune("match", term)

    assert (done.returncode, done.stdout) == (2, "")
    assert caret in done.stderr
    assert "Traceback" not in done.stderr


def test_ten_thousand_terms_are_refused_in_one_sentence(machine: Machine) -> None:
    done = machine.attune("match", ";".join(["python"] * 10_000))

    assert done.returncode == 2
    assert len(done.stderr) < 1000


def test_an_empty_fleet_says_how_to_start_one(machine: Machine) -> None:
    done = machine.attune("match", "python", "--role", "sensor")

    assert done.returncode == 3
    assert "0 = 0 able" in done.stdout
    assert "try: attune sensor start" in done.stderr


def test_what_no_definition_covers_is_unknown_until_the_proposed_command_adds_it(machine: Machine) -> None:
    done = machine.attune("match", "!docker")

    assert done.returncode == 3
    rows = [line.split(maxsplit=4) for line in done.stdout.splitlines()]
    assert ["!docker", "0", "0", "4", "no definition is called docker"] in rows
    assert "repair    attune runtime add --from-catalogue docker" in done.stdout
    assert machine.attune("runtime", "add", "--from-catalogue", "docker").returncode == 0
    done = machine.attune("match", "!docker")
    assert (done.returncode, "not looked for yet" in done.stdout) == (3, True)
    looked = (
        "INSERT INTO worker_runtime (worker, runtime_ref, name, status, reason)"
        " SELECT w.id, 'extras.docker', 'docker', 'unavailable', 'not found' FROM worker AS w"
        " WHERE w.name = (SELECT min(name) FROM node WHERE takes_work AND role = 'worker')"
    )
    done = machine.attune("db", "shell", "-v", "ON_ERROR_STOP=1", "-c", looked)
    assert done.returncode == 0, done.stderr
    assert machine.attune("match", "!docker").returncode == 0


@pytest.mark.parametrize(("term", "meant"), [("java >=17", None), ("pyhton", "python"), ("!dokcer", "docker")])
def test_a_typo_gets_the_nearest_name_and_a_catalogue_name_its_command(
    machine: Machine, term: str, meant: str | None
) -> None:
    done = machine.attune("match", term)

    assert done.returncode == 3
    said = f"did you mean {meant}?" if meant else "attune runtime add --from-catalogue java"
    assert "no definition is called" in done.stdout and said in done.stdout
