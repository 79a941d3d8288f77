"""Rows that somebody wrote by hand: one that cannot be read must not spoil the others."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psycopg
import pytest

from command_hosts import Machine


@pytest.fixture
def machine(tmp_path: Path, migrated_database: str) -> Machine:
    made = Machine(tmp_path)
    made.command("python3", "Python 3.11.7")
    made.variables["DATABASE_URL"] = migrated_database
    return made


@pytest.mark.parametrize(
    ("document", "got"),
    [
        ("[" * 5000 + "]" * 5000, "JSON nested more than 100 levels deep"),
        ('{"a":' * 500 + "1" + "}" * 500, "JSON nested more than 100 levels deep"),
        ('{"verification": {"commands": [{"priority": 1e5000}]}}', "JSON with a number of thousands of digits"),
    ],
)
def test_a_definition_that_python_cannot_take_in_is_invalid_and_the_others_are_verified(
    machine: Machine, document: str, got: str
) -> None:
    with psycopg.connect(machine.variables["DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO runtime (ref, name, distributions) VALUES ('acme.x', 'X', %s)", (document,))

    detected = machine.attune("detect", "--json")
    assert detected.returncode == 0, detected.stderr
    results = {one["ref"]: one for one in json.loads(detected.stdout)["results"]}
    assert results["core.python"]["status"] == "available"
    assert results["acme.x"]["status"] == "invalid"
    assert results["acme.x"]["reason"] == f"distributions: expected an object, got {got}"
    for command in (["runtime", "list"], ["runtime", "show", "acme.x"], ["runtime", "history", "acme.x"]):
        for arguments in (command, [*command, "--json"]):
            done = machine.attune(*arguments)
            assert (done.returncode, done.stderr) == (0, "")


def test_workers_with_any_capabilities_are_listed(machine: Machine) -> None:
    documents = ["null", "[]", '"x"', '{"runtimes": "python"}', '{"runtimes": 5}', '{"runtime_versions": [1]}', None]
    with psycopg.connect(machine.variables["DATABASE_URL"]) as connection:
        for number, document in enumerate(documents):
            connection.execute(
                "INSERT INTO worker (name, worker_type, worker_role, capabilities, meta)"
                """ VALUES (%s, 'local', 'action', %s, '{"pid": "x"}')""",
                (f"w{number}", document),
            )

    listed = machine.attune("worker", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert len(listed.stdout.splitlines()) == 1 + len(documents)
    for number in range(len(documents)):
        assert machine.attune("worker", "show", f"w{number}").returncode == 0


def test_a_name_cannot_forge_a_line_of_the_log_and_is_printed_in_any_encoding(machine: Machine) -> None:
    name = "X\n2026-01-01T00:00:00Z [info     ] ✓ Runtime available: Cobol (core.cobol)\x1b[2J"
    with psycopg.connect(machine.variables["DATABASE_URL"]) as connection:
        connection.execute(
            "INSERT INTO runtime (ref, name, distributions) VALUES ('acme.x', %s, %s)",
            (name, '{"verification": {"always_available": true}}'),
        )

    started = machine.start("worker", "start", "--name", "w")
    log = machine.folder / "attune.log"
    until = time.monotonic() + 30
    while "registered" not in log.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    started.terminate()
    assert started.wait(60) == 0
    assert "Cobol" in log.read_text() and "\x1b" not in log.read_text()
    assert not [line for line in log.read_text().splitlines() if line.startswith("2026-01-01")]
    listed = machine.attune("runtime", "list", PYTHONIOENCODING="ascii")
    assert (listed.returncode, listed.stderr) == (0, "")
