"""`attune runtime …` as operators and authors of definitions run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_hosts import Machine
from logins import Logins

RUBY = """
ref: acme.ruby
name: Ruby
distributions:
  verification:
    commands:
      - {binary: ruby, args: [--version], pattern: 'ruby \\d', priority: 1}
    examples:
      - {output: "ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]", exit_code: 0,
         expect: {available: true, version: 3.1.2}}
"""


@pytest.fixture
def machine(tmp_path: Path, logins: Logins) -> Machine:
    made = Machine(tmp_path)
    made.command("ruby", "ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]")
    made.variables["DATABASE_URL"] = logins.url("ops", "admin")
    (made.folder / "ruby.yaml").write_text(RUBY)
    return made


def test_a_fresh_database_has_exactly_the_core_pack(machine: Machine) -> None:
    listed = json.loads(machine.attune("runtime", "list", "--json").stdout)

    assert [one["ref"] for one in listed] == [
        "core.native",
        "core.nodejs",
        "core.python",
        "core.sensor.builtin",
        "core.shell",
    ]


def test_add_show_history_and_remove(machine: Machine) -> None:
    added = machine.attune("runtime", "add", "ruby.yaml")
    assert (added.returncode, added.stdout) == (0, "added acme.ruby\n")
    again = machine.attune("runtime", "add", "ruby.yaml")
    assert (again.returncode, again.stderr.splitlines()[0]) == (2, "attune: acme.ruby exists already")
    (machine.folder / "ruby.yaml").write_text(RUBY.replace("ruby \\d", "ruby 3"))
    assert machine.attune("runtime", "load", "ruby.yaml").stdout == "replaced acme.ruby\n"

    shown = json.loads(machine.attune("runtime", "show", "acme.ruby", "--json").stdout)
    assert shown["distributions"]["verification"]["commands"][0]["pattern"] == "ruby 3"
    history = machine.attune("runtime", "history", "acme.ruby").stdout
    assert "distributions.verification.commands[0].pattern" in history
    assert machine.attune("runtime", "remove", "acme.ruby").stdout == "removed acme.ruby\n"
    assert machine.attune("runtime", "remove", "acme.ruby").returncode == 2
    changes = json.loads(machine.attune("runtime", "history", "acme.ruby", "--json").stdout)
    assert [one["operation"] for one in changes] == ["delete", "update", "insert"]


def test_what_was_added_is_detected_from_the_database(machine: Machine) -> None:
    assert machine.attune("runtime", "add", "--from-catalogue", "ruby").returncode == 0
    data = json.loads(machine.attune("detect", "--json").stdout)

    assert data["source"] == "database"
    found = {one["name"]: one for one in data["results"]}["ruby"]
    assert (found["status"], found["version"]) == ("available", "3.1.2")


def test_a_definition_whose_example_fails_is_not_loaded(machine: Machine) -> None:
    (machine.folder / "ruby.yaml").write_text(RUBY.replace("version: 3.1.2", "version: 9.9.9"))
    done = machine.attune("runtime", "load", "ruby.yaml")

    assert done.returncode == 2
    assert "verification.examples[0]: expected version '9.9.9', got '3.1.2'" in done.stderr
    assert "acme.ruby" not in machine.attune("runtime", "list").stdout


def test_one_fault_in_a_folder_and_nothing_is_written(machine: Machine) -> None:
    folder = machine.folder / "pack"
    folder.mkdir()
    (folder / "a.yaml").write_text(RUBY)
    (folder / "b.yaml").write_text("ref: acme.bad\nname: Bad\ndistributions: {verification: {commands: [python3]}}\n")
    done = machine.attune("runtime", "load", "pack")

    assert done.returncode == 2
    assert "acme.bad: verification.commands[0]: expected an object such as" in done.stderr
    assert "acme" not in machine.attune("runtime", "list").stdout


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "expected an object with ref, name and distributions, got null"),
        ("a: [", "ruby.yaml:2:1"),
        ("- 1", "expected an object with ref, name and distributions, got 1"),
        ("name: X", "ruby.yaml[0].ref: expected a text, got nothing"),
        ("ref: Acme.X\nname: X", "expected lower-case <pack>.<name>, at most 200 characters, got 'Acme.X'"),
        ("ref: acme.x\nname: X\ndistribution: {}", "ruby.yaml[0].distribution: expected one of ref, name"),
        ("ref: acme.x\nname: X\ndistributions: [ruby]", "acme.x: distributions: expected an object, got ['ruby']"),
        ("!!python/object:os.system {}", "ruby.yaml"),
        ("[" * 100_000, ""),
    ],
)
def test_a_malformed_file_is_one_sentence_and_exit_code_2(machine: Machine, text: str, part: str) -> None:
    (machine.folder / "ruby.yaml").write_text(text)
    done = machine.attune("runtime", "add", "ruby.yaml")

    assert done.returncode == 2
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_check_validates_judges_examples_and_tries_on_this_host(machine: Machine) -> None:
    good = machine.attune("runtime", "check", "ruby.yaml")
    assert good.returncode == 0
    assert "acme.ruby: valid, 1 example right" in good.stdout
    assert "on this host: + available 3.1.2" in good.stdout
    (machine.folder / "bad.yaml").write_text(RUBY.replace("exit_code: 0", "exitcode: 0").replace("ruby \\d", "("))
    bad = machine.attune("runtime", "check", "bad.yaml")

    assert bad.returncode == 1
    assert "fault: verification.commands[0].pattern: expected a valid RE2 pattern" in bad.stdout


def test_check_tells_every_fault_with_its_line_and_how_many_examples_failed(machine: Machine) -> None:
    commands = "ref: REF\nname: X\ndistributions:\n  verification:\n    commands: [{binary: BINARY, pattern: 'v1'}]\n"
    examples = "    examples:\n" + "".join(
        f"    - {{output: {out}, expect: {{available: true}}}}\n" for out in ("v1", "x")
    )
    wrong = machine.folder / "wrong.yaml"
    wrong.write_text(commands.replace("REF", "Acme").replace("BINARY", "bin/x"))
    faults = machine.attune("runtime", "check", "wrong.yaml")
    wrong.write_text(commands.replace("REF", "acme.x").replace("BINARY", "sh") + examples)
    failed = machine.attune("runtime", "check", "wrong.yaml")
    wrong.write_text('a: "\\d"')
    escape = machine.attune("runtime", "check", "wrong.yaml")

    assert (faults.returncode, failed.returncode, escape.returncode) == (1, 1, 2)
    assert "(wrong.yaml:1:" in faults.stdout
    assert "(wrong.yaml:5:" in faults.stdout
    assert "acme.x: valid, 1 of 2 examples failed\n" in failed.stdout
    assert "(wrong.yaml:8:" in failed.stdout
    assert "put the text in single quotes" in escape.stderr


def test_check_reports_unknown_keys_with_the_nearest_known_one(machine: Machine) -> None:
    (machine.folder / "ruby.yaml").write_text(RUBY.replace("priority", "priorty"))

    assert "did you mean priority?" in machine.attune("runtime", "check", "ruby.yaml").stdout


def test_an_unknown_definition_names_the_nearest(machine: Machine) -> None:
    done = machine.attune("runtime", "show", "core.pyton")

    assert done.returncode == 2
    assert (
        done.stderr
        == "attune: no definition is called 'core.pyton'; did you mean core.python?\ntry: attune runtime list\n"
    )


def test_a_definition_in_use_is_not_removed(machine: Machine, migrated_database: str) -> None:
    import psycopg

    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime)"
            " SELECT 'core.echo', pack.id, 'core', 'Echo', '', 'echo.py', runtime.id FROM pack, runtime"
            " WHERE runtime.ref = 'core.python'"
        )
    done = machine.attune("runtime", "remove", "core.python")

    assert done.returncode == 2
    assert "core.python is in use by action core.echo" in done.stderr


@pytest.mark.parametrize("verb", ["add", "load"])
def test_two_definitions_of_one_ref_are_refused_and_none_is_written(machine: Machine, verb: str) -> None:
    twin = "{ref: acme.twin, name: Twin, distributions: {}}"
    (machine.folder / "twins.yaml").write_text(f"[{twin}, {twin}]")

    done = machine.attune("runtime", verb, "twins.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "attune: acme.twin: expected one definition of this ref, got 2"
    assert "acme.twin" not in machine.attune("runtime", "list").stdout
