"""An earlier installation's database, from the first look at it to work that runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from attune.postgres.embedded.binaries import find_binaries
from command_hosts import Machine
from pack_folders import write_pack
from schema_dump import HERE
from waiting import wait_for


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


HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "adopt-a-database.md"
JUNE = (HERE / "june_schema.sql").read_text()
STAGES = {
    "February": ((HERE / "legacy_schema.sql").read_text(), (HERE / "legacy_rows.sql").read_text()),
    "between": ((HERE / "legacy_schema.sql").read_text(), JUNE.partition("-- mark")[0]),
    "June": ((HERE / "legacy_schema.sql").read_text(), JUNE, (HERE / "june_rows.sql").read_text()),
}
PACK = {
    "pack.yaml": "ref: acme\nlabel: Acme\nversion: 1.4.0\n",
    "actions/plain.yaml": "name: plain\nlabel: Plain\nentry_point: plain.sh\nruntime: core.shell\n",
    "actions/plain.sh": "echo '{\"ran\": true}'\n",
    "actions/hello.yaml": "name: hello\nlabel: Hello\nentry_point: hello.py\nruntime: core.python\n",
    "actions/hello.py": "import json, os, sys\nseen = [os.environ.get(n) for n in ('GREETING', 'PYTHONPATH')]\n"
    "print(json.dumps({'seen': seen, 'unbuffered': sys.stdout.write_through}))\n",
}


def commands() -> list[str]:
    """What the page has one type, without the installation that goes on until it is stopped."""
    blocks = re.findall(r"```console\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line != "attune up"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_how_to_moves_an_installation_of_each_stage_and_back(
    tmp_path: Path, blank_database: str, stage: str
) -> None:
    machine = Machine(tmp_path, {"DATABASE_URL": blank_database})
    machine.real("sh")
    (machine.bin / "python3").symlink_to(Path(sys.executable).resolve())
    with psycopg.connect(blank_database, autocommit=True) as connection:
        for text in STAGES[stage]:
            connection.execute(text.encode())
    write_pack(tmp_path / "acme", PACK)

    def shell(line: str) -> None:
        path = f"{find_binaries().folder}/bin:{os.defpath}"
        environment = machine.environment() | {"PATH": path}
        done = subprocess.run(
            ["sh", "-c", line], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"

    forth, back = commands(), [line for line in commands() if line.startswith(("psql", "pg_restore"))]
    for line in forth[: -len(back)]:
        if not line.startswith("attune "):
            shell(line)
            continue
        words = shlex.split(line.replace("/opt/attune/packs/acme", "acme"), comments=True)[1:]
        done = machine.attune(*words)
        assert done.returncode == 0 or words == ["doctor"], f"{line}: {done.stdout}{done.stderr}"

    worker = machine.start("worker", "start", "--name", "w1")
    try:
        wait_for(lambda: "worker registered" in (tmp_path / "attune.log").read_text())
        ran = (
            machine.attune("action", "run", "acme.plain", "--wait", "--json", "--policy", "fail")
            if stage != "between"
            else None
        )
        assert ran is None or '"ran": true' in ran.stdout, (
            f"{ran.stdout}{ran.stderr}{(tmp_path / 'attune.log').read_text()}"
        )
        if stage == "June":
            ran = machine.attune("action", "run", "acme.hello", "--wait", "--json", "--policy", "fail")
            result = json.loads(ran.stdout)["result"]
            helper = Path(result["seen"].pop())  # the one folder that is named, and not that of env_vars
            assert [path.name for path in helper.iterdir()] == ["attune_action.py"]
            assert result == {"seen": ["hello"], "unbuffered": True}
            refused = machine.attune("action", "run", "acme.flow")
            assert "acme.flow: it is a workflow, and nothing runs workflows here" in refused.stderr
            assert "build-2" in machine.attune("worker", "list").stdout
    finally:
        worker.terminate()
        assert worker.wait(60) == 0
    for line in back:
        shell(line)
    assert "not adopted yet" in machine.attune("db", "status").stdout


def test_an_adopted_timer_fires_and_a_drained_node_says_why(machine: Machine, tmp_path: Path) -> None:
    url = machine.variables["DATABASE_URL"]
    machine.real("sh")
    with psycopg.connect(url, autocommit=True) as connection:
        every = """UPDATE rule SET trigger_params = '{"unit": "seconds", "interval": 1}' WHERE ref = 'acme.every10'"""
        connection.execute(every)
    assert machine.attune("db", "migrate").returncode == 0
    assert machine.attune("pack", "load", str(write_pack(tmp_path / "acme", PACK))).returncode == 0

    assert "\ntakes nothing: disk is full\n" in machine.attune("worker", "show", "build-2").stdout
    nodes = [machine.start("worker", "start", "--name", "w1"), machine.start("sensor", "start", "--name", "s1")]
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            fired = """
                SELECT v.source_ref, x.result FROM execution AS x JOIN enforcement AS e ON e.id = x.enforcement
                JOIN event AS v ON v.id = e.event
                WHERE e.rule_ref = 'acme.every10' AND v.trigger_ref = 'core.intervaltimer' AND x.status = 'completed'
            """
            done = wait_for(lambda: connection.execute(fired).fetchone())
        assert done == ("core.interval_timer_sensor", {"ran": True})
    finally:
        for node in nodes:
            node.terminate()
        assert [node.wait(60) for node in nodes] == [0, 0]
