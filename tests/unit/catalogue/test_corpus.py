"""The recorded outputs of `tests/corpus`: what the shipped definitions make of what real programs print."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from attune import catalogue
from attune.cli.runtimes.corpus import check_corpus
from attune.core.errors import UsageError
from attune.core.runtimes.corpus import Reading, Recording, read_recording
from attune.core.runtimes.definition import Definition, parse_definition
from attune.core.runtimes.runtime import Runtime

FILES = sorted((Path(__file__).parents[2] / "corpus").glob("*.yaml"))
ROWS: list[dict[str, Any]] = [row for file in FILES for row in yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)]
DEFINITIONS: dict[str, Definition] = {
    entry["ref"].partition(".")[2]: parse_definition(Runtime(**entry))
    for entry in (*catalogue.core_pack(), *catalogue.extras())
}
CHECKED = {name for name, definition in DEFINITIONS.items() if definition.verification.checks}
# Programs of which fewer than three builds could be run or found; their definitions' examples stand for them.
FEW = set((FILES[0].parent / "few.txt").read_text(encoding="utf-8").split())


def reading(row: dict[str, Any]) -> Reading:
    words = {key: value for key, value in row.items() if key not in ("build", "source")}
    return read_recording(DEFINITIONS, Recording(**{**words, "command": tuple(row["command"])}))


def test_no_output_is_read_wrongly_and_no_version_is_missed() -> None:
    readings = [(row["tool"], row["build"], reading(row)) for row in ROWS]

    assert [item for item in readings if item[2].result != "right"] == []


def test_the_corpus_is_as_large_as_promised_and_says_where_each_output_is_from() -> None:
    assert len(ROWS) >= 300
    assert sum(row["source"].startswith("run: ") for row in ROWS) >= 100
    assert all(row["source"] and row["build"] for row in ROWS)
    assert len({(row["tool"], *row["command"], row["output"]) for row in ROWS}) == len(ROWS)


def test_every_definition_has_outputs_of_several_builds_and_a_stranger() -> None:
    builds = Counter(row["tool"] for row in ROWS if row["name"])
    strangers = {row["tool"] for row in ROWS if row["name"] is None}

    assert len(CHECKED) >= 80
    assert {name for name in CHECKED if builds[name] < 3} == FEW
    assert CHECKED - strangers == set()


@pytest.mark.parametrize(
    ("changed", "result"),
    [
        ({}, "right"),
        ({"version": "3.11.3"}, "wrong"),
        ({"name": "ruby"}, "wrong"),
        ({"name": None}, "wrong"),
        ({"prerelease": True}, "wrong"),
        ({"version": None}, "wrong"),
        ({"exit_code": 1}, "wrong"),
        ({"tool": "cobol"}, "wrong"),
        (
            {"tool": "go", "command": ("go", "version"), "output": "go version devel go1.23-7e34", "name": "go"},
            "unknown",
        ),
    ],
)
def test_a_reading_is_right_only_if_name_version_and_kind_of_release_are(changed: dict[str, Any], result: str) -> None:
    recorded = {
        "tool": "python", "command": ("python3", "--version"), "output": "Python 3.11.2", "name": "python",
        "version": "3.11.2",
    }  # fmt: skip

    assert read_recording(DEFINITIONS, Recording(**{**recorded, **changed})).result == result


def test_the_command_names_what_is_wrong_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "- {tool: python, command: [python3, --version], output: Python 3.11.2, name: python, version: 3.11.2}\n"
        "- {tool: python, command: [python3, --version], output: Python 3.11.2, name: python, version: 3.11.3}\n"
    )

    assert check_corpus([file], False) is False
    assert capsys.readouterr().out == f"{file}:2: wrong: python 3.11.2\n1 right, 0 unknown, 1 wrong\n"
    assert check_corpus(FILES, True) is True


@pytest.mark.parametrize("text", ["{a: 1}", "- {tool: python}", "- 3", "- {tool: python, colour: red}"])
def test_a_file_that_is_no_corpus_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)

    with pytest.raises(UsageError, match=r"mine\.yaml"):
        check_corpus([file], False)
