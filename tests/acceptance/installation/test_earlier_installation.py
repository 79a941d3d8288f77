"""An earlier installation's database, from the first look at it to work that runs."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from command_hosts import Machine
from schema_dump import HERE


def filled(url: str, *names: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute((HERE / f"{name}.sql").read_bytes())
    return url


@pytest.fixture
def machine(tmp_path: Path, blank_database: str) -> Machine:
    made = Machine(tmp_path)
    made.variables["DATABASE_URL"] = filled(blank_database, "legacy_schema", "june_schema", "june_rows")
    return made


def test_every_command_says_the_same_sentence_and_the_same_way_out(machine: Machine) -> None:
    sentence = "the database is of an earlier installation, stage June 2026; it is not adopted yet"
    remedy = "keep a dump of it, then: attune db migrate --report FILE (or attune up --adopt)"

    status = machine.attune("db", "status")
    assert f"finding   {sentence}\n" in status.stdout
    assert status.stderr == f"try: {remedy}\n"
    assert json.loads(machine.attune("db", "status", "--json").stdout)["finding"] == sentence
    for refused in (("db", "check"), ("up",), ("worker", "list")):
        done = machine.attune(*refused)
        assert (done.returncode, done.stdout.count("\n") < 2) == (1, True), done.stdout
        assert sentence in done.stderr
        assert remedy in done.stderr
    doctor = machine.attune("doctor", "--json")
    (said,) = [one for one in json.loads(doctor.stdout) if one["subject"] == "database"]
    assert (said["text"], said["remedy"]) == (sentence, remedy)


def test_a_schema_of_our_own_is_obeyed_by_every_command(machine: Machine) -> None:
    machine.variables["ATTUNE__DATABASE__SCHEMA"] = "attune"
    assert "the database is empty" in machine.attune("db", "status").stdout
    assert machine.attune("db", "migrate").returncode == 0

    assert machine.attune("db", "check").returncode == 0
    refs = machine.attune("db", "shell", "-Atc", "SELECT string_agg(ref, ' ' ORDER BY ref) FROM runtime")
    assert refs.stdout.split() == ["core.native", "core.nodejs", "core.python", "core.sensor.builtin", "core.shell"]
    assert "attune_node_apart" in machine.attune("db", "grant", "apart").stdout
    assert machine.attune("db", "shell", "-Atc", "SELECT count(*) FROM public.runtime").stdout == "4\n"


def test_the_report_is_a_file_that_names_what_was_left(machine: Machine) -> None:
    refused = machine.attune("db", "migrate", "--report", "missing/report.txt")
    assert (refused.returncode, machine.attune("db", "check").returncode) == (2, 1)
    done = machine.attune("db", "migrate", "--report", "report.txt")

    written = (machine.folder / "report.txt").read_text()
    assert "adopted an existing Attune database (upstream-june) at 20260203000001_unify_runtimes\n" in written
    assert "left: trigger acme.hook: its webhook: nothing receives it here\n" in written
    assert "things could not be carried over or need somebody: see report.txt" in done.stdout
