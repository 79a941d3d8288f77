"""Documents that somebody wrote: where their values stand, and what is said of those that do not fit."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

from attune.cli.runtimes.definitions import read_file
from attune.config.document import read_document
from attune.core.documents import DocumentNode, Section, in_order, node_of, plain
from attune.core.errors import ConfigError, DefinitionError, Fault, SourcePosition
from attune.core.runtimes.examples import validate_definition

TEXT = """
name: img
size: [1, two, {deep: 3}]
flag: maybe
"""


class Colour(StrEnum):
    RED = "red"


def section(text: str) -> Section:
    return Section(read_document(text, "a.yaml", []), "", [])


def test_a_value_knows_its_line_and_column() -> None:
    document = read_document(TEXT, "a.yaml", [])

    assert document.position_of(["name"]) == SourcePosition("a.yaml", 2, 1)
    assert document.position_of(["size", 1]) == SourcePosition("a.yaml", 3, 11)
    assert document.position_of(["size", 2, "deep", "er"]) == SourcePosition("a.yaml", 3, 17)
    assert document.position_of(["size", 9]) == SourcePosition("a.yaml", 3, 1)
    assert plain(document) == {"name": "img", "size": [1, "two", {"deep": 3}], "flag": "maybe"}


def test_json_is_a_document_without_positions_however_deep_it_is() -> None:
    deep: object = "x"
    for _ in range(50_000):
        deep = [deep]

    assert node_of({"a": [1, None]}) == DocumentNode({"a": DocumentNode((DocumentNode(1), DocumentNode(None)))})
    assert node_of({"a": deep}).position_of(["a", 0]) is None


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (SourcePosition("a.yaml", 2, 5), "a.yaml:2"),
        (SourcePosition("a.yaml", 2, 5, exact=True), "a.yaml:2:5"),
        (SourcePosition("ATTUNE_URL"), "ATTUNE_URL"),
    ],
)
def test_a_position_is_shown_as_far_as_people_need_it(position: SourcePosition, text: str) -> None:
    assert str(position) == text


def test_every_fault_of_an_object_is_kept_with_its_position() -> None:
    given = section(TEXT)
    given.text("size")
    given.flag("flag")
    given.integer("name", 1, (0, 9))
    given.seconds("missing", 0, 1)
    given.choice("name", Colour, Colour.RED)
    given.texts("size")
    given.mapping("name")
    given.refuse("missing", "a value")

    assert [fault.located for fault in given.faults] == [
        "size: expected a text, got [1, 'two', {'deep': 3}] (a.yaml:3)",
        "flag: expected true or false, got 'maybe' (a.yaml:4)",
        "name: expected an integer from 0 to 9, got 'img' (a.yaml:2)",
        "name: expected one of red, got 'img' (a.yaml:2)",
        "size[0]: expected a text, got 1 (a.yaml:3)",
        "size[2]: expected a text, got {'deep': 3} (a.yaml:3)",
        "name: expected an object, got 'img' (a.yaml:2)",
        "missing: expected a value, got nothing (a.yaml:2)",
    ]


def test_keys_that_nobody_asks_for_are_warned_of_and_near_misses_refused() -> None:
    given = section("labl: x\nother: y\n")
    given.text("label")
    given.finish()
    given.warn_unknown()

    assert [(str(fault), fault.harmless) for fault in given.faults] == [
        ("labl: unknown key, did you mean label?", False),
        ("other: unknown key, ignored", True),
    ]
    assert given.warnings == ["labl: unknown key, did you mean label?", "other: unknown key"]


def test_faults_are_told_by_file_and_line_and_each_once() -> None:
    late, early, first = (Fault("a", "b", "c", SourcePosition(*place)) for place in (("b", 12), ("b", 9), ("a", 20)))

    assert in_order([late, early, first, late]) == [first, early, late]


def test_an_error_is_made_of_its_faults() -> None:
    error = ConfigError(faults=[Fault("a", "b", "c", SourcePosition("x.yaml", 3), "try d"), Fault("e", "f", "g")])

    assert str(error) == "a: expected b, got c (x.yaml:3)\ne: expected f, got g"
    assert (error.field, error.expected, error.got, error.hint) == ("a", "b", "c", "try d")
    assert str(ConfigError(faults=[Fault("a", "b", "c")] * 25)).endswith("\nand 5 more")


def test_a_definition_from_a_file_is_refused_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "ruby.yaml"
    path.write_text("ref: acme.ruby\nname: Ruby\ndistributions:\n  verification:\n    commands: [{binary: bin/ruby}]\n")
    (runtime,) = read_file(path)

    with pytest.raises(DefinitionError) as caught:
        validate_definition(runtime)

    expected = "verification.commands[0].binary: expected a bare name or an absolute path, got 'bin/ruby'"
    assert str(caught.value) == f"{expected} (ruby.yaml:5:17)"
