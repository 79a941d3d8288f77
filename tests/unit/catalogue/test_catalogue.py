"""The shipped definitions: well-formed, true to their own examples, and true on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import re2

from attune import catalogue
from attune.core.runtimes.aliases import fold
from attune.core.runtimes.extraction import displayed_version, extract_version
from attune.core.runtimes.version import Version
from effort import is_soak

ENTRIES = [*catalogue.core_pack(), *catalogue.extras()]
FOLDER = Path(catalogue.__file__).parent
COMMANDS = [
    pytest.param(entry, command, id=f"{entry['ref']}-{command['binary']}")
    for entry in ENTRIES
    for command in entry["distributions"]["verification"].get("commands", [])
]
# `python3.12` and the like may be shims of a version manager for what is not chosen.
OF_ONE_VERSION = re.compile(r"[a-z]+-?\d+(\.\d+)?")
ON_THIS_MACHINE = [
    pytest.param(*case.values, id=case.id)
    for case in COMMANDS
    for command in case.values[1:]
    if isinstance(command, dict)
    and shutil.which(command["binary"])
    and (command["priority"] < 3 or not OF_ONE_VERSION.fullmatch(command["binary"]))
]
SLOW = {"gcloud", "aws", "pip", "pip3", "mvn"}
PROVING_NOTHING_HERE = {"convert"}  # often a stand-in for a program that is not installed


def judged(command: dict[str, Any], output: str, exit_code: int) -> tuple[bool, str | None]:
    """Whether *command* passes with that output, and the version it shows: written apart from the real judgement."""
    if exit_code != command["exit_code"]:
        return False, None
    if "pattern" not in command:
        return True, extract_version(output)
    match = re2.search(command["pattern"], output.strip())
    if match is None:
        return False, None
    groups = match.groupdict()
    if "version" in groups:
        return True, displayed_version(groups["version"] or "") or None
    return True, extract_version(output, match_start=match.start() + len(output) - len(output.lstrip()))


def test_the_core_pack_has_exactly_five_definitions() -> None:
    assert [(entry["ref"], entry["name"]) for entry in catalogue.core_pack()] == [
        ("core.native", "Native"),
        ("core.nodejs", "Node.js"),
        ("core.python", "Python"),
        ("core.sensor.builtin", "Built-in Sensors"),
        ("core.shell", "Shell"),
    ]


def test_the_core_capabilities_are_called_as_everyone_expects() -> None:
    capabilities = [_capability(entry) for entry in catalogue.core_pack()]

    assert capabilities == ["native", "node", "python", "builtin", "shell"]


def test_the_rules_of_the_core_rows_that_need_no_check() -> None:
    by_ref = {entry["ref"]: entry["distributions"] for entry in catalogue.core_pack()}

    assert by_ref["core.native"]["verification"] == {"always_available": True, "check_required": False}
    assert by_ref["core.sensor.builtin"]["roles"] == ["sensor"]
    shell = by_ref["core.shell"]["verification"]
    assert (shell["always_available"], shell["check_required"]) == (True, True)
    assert all(command["optional"] for command in shell["commands"])


def test_refs_names_and_capabilities_are_unique_and_packs_are_sorted() -> None:
    for values in ([entry["ref"] for entry in ENTRIES], [entry["name"] for entry in ENTRIES]):
        assert len(set(values)) == len(values)
    capabilities = [_capability(entry) for entry in ENTRIES]
    assert sorted(capabilities) == sorted(set(capabilities))
    for pack in (catalogue.core_pack(), catalogue.extras()):
        refs = [entry["ref"] for entry in pack]
        assert refs == sorted(refs)


def test_a_file_is_named_after_its_ref_and_its_pack() -> None:
    files = sorted(
        (path.parent.name, f"{path.parent.name}.{path.stem}")
        for path in FOLDER.glob("*/*.yaml")
        if path.parent.name != "demo"
    )

    assert sorted((entry["pack_ref"], entry["ref"]) for entry in ENTRIES) == files


def test_every_file_is_printable_ascii() -> None:
    for path in FOLDER.glob("*/*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert all(character == "\n" or (character.isascii() and character.isprintable()) for character in text), path


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["ref"])
def test_an_entry_says_what_it_is_and_has_only_known_keys(entry: dict[str, Any]) -> None:
    assert set(entry) == {"ref", "pack_ref", "name", "description", "distributions"}
    assert len(entry["description"]) > 5
    assert entry["description"].endswith(".")
    assert set(entry["distributions"]) <= {"verification", "aliases", "roles"}
    verification = entry["distributions"]["verification"]
    known = {"always_available", "check_required", "commands", "examples", "smoke", "undecided_patterns"}
    assert set(verification) <= known
    for command in verification.get("commands", []):
        assert set(command) <= {"binary", "args", "exit_code", "pattern", "priority", "optional", "timeout_seconds"}
        assert all(isinstance(argument, str) for argument in command["args"])
    priorities = [command["priority"] for command in verification.get("commands", [])]
    assert priorities == list(range(1, len(priorities) + 1))


@pytest.mark.parametrize(("entry", "command"), COMMANDS)
def test_every_pattern_compiles_and_every_check_that_is_not_of_a_shell_has_one(
    entry: dict[str, Any], command: dict[str, Any]
) -> None:
    if command["binary"] == "sh":
        assert "pattern" not in command
    else:
        options = re2.Options()
        options.log_errors = False
        assert re2.compile(command["pattern"], options=options)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["ref"])
def test_the_examples_of_a_definition_come_out_as_they_say(entry: dict[str, Any]) -> None:
    verification = entry["distributions"]["verification"]
    examples = verification.get("examples", [])
    if "commands" in verification:
        assert {example["expect"]["available"] for example in examples} == {True, False}
    for example in examples:
        results = [judged(command, example["output"], example["exit_code"]) for command in verification["commands"]]
        passed = [version for available, version in results if available]

        assert bool(passed) is example["expect"]["available"], example["output"]
        if "version" in example["expect"]:
            assert passed[0] == example["expect"]["version"]
            assert Version.read(str(passed[0])) is not None


@pytest.mark.parametrize(("entry", "command"), ON_THIS_MACHINE)
def test_the_real_program_passes_its_check_and_shows_a_version(entry: dict[str, Any], command: dict[str, Any]) -> None:
    if command["binary"] in PROVING_NOTHING_HERE:
        pytest.skip("may be a stand-in")
    if command["binary"] in SLOW and not is_soak():
        pytest.skip("takes seconds; part of make soak")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "JAVA_HOME", "TMPDIR") or name.startswith(("PYENV_", "RUSTUP_", "CARGO_", "NVM_"))
    }
    done = subprocess.run(
        [command["binary"], *command["args"]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=100,
        env={**environment, "LC_ALL": "C.UTF-8", "TERM": "dumb", "CHECKPOINT_DISABLE": "1"},
    )
    available, version = judged(command, done.stdout + done.stderr, done.returncode)

    assert available, (done.returncode, done.stdout[:500], done.stderr[:500])
    if "pattern" in command:
        assert version is not None
        assert Version.read(version) is not None, version


def test_enough_programs_are_here_for_the_check_of_real_ones_to_mean_something() -> None:
    assert {"python3", "bash"} <= {case.values[1]["binary"] for case in ON_THIS_MACHINE}  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("ruby", "extras.ruby"),
        ("extras.ruby", "extras.ruby"),
        ("Ruby", "extras.ruby"),
        ("  RUBY ", "extras.ruby"),
        ("mvn", "extras.maven"),
        (".NET", "extras.dotnet"),
        ("core.python", "core.python"),
        ("nodejs", "core.nodejs"),
        ("builtin", "core.sensor.builtin"),
    ],
)
def test_a_definition_is_found_by_ref_name_and_alias(name: str, ref: str) -> None:
    entry = catalogue.find(name)

    assert entry is not None
    assert entry["ref"] == ref


def test_an_unknown_name_is_not_found() -> None:
    assert catalogue.find("cobol") is None
    assert catalogue.find("../core/python") is None


def test_callers_cannot_change_what_others_read() -> None:
    catalogue.core_pack()[0]["name"] = "changed"

    assert catalogue.core_pack()[0]["name"] == "Native"


def _capability(entry: dict[str, Any]) -> str:
    return fold(entry["distributions"].get("aliases", [entry["name"]])[0])
