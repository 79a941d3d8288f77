"""What may be stored: a definition with every fault told, and its own examples judged."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.errors import DefinitionError
from attune.core.runtimes.definition import parse_definition
from attune.core.runtimes.examples import failed_examples, validate_definition
from attune.core.runtimes.runtime import Runtime
from factories import command, make_runtime, verification

GOOD = {"output": "Python 3.11.7", "expect": {"available": True, "version": "3.11.7"}}


def with_examples(*examples: Any) -> Runtime:
    return make_runtime(
        distributions=verification(command(pattern=r"Python (?P<version>\S+)"), examples=list(examples))
    )


def faults(runtime: Runtime) -> str:
    with pytest.raises(DefinitionError) as caught:
        validate_definition(runtime)
    return str(caught.value)


def test_a_definition_whose_examples_come_true_is_taken_with_its_warnings() -> None:
    bad = {"output": "nothing", "exit_code": 127, "expect": {"available": False}}

    assert validate_definition(with_examples(GOOD, bad)) == ()
    assert failed_examples(parse_definition(with_examples(GOOD, bad))) == ()
    unknown = make_runtime(distributions={**verification(command()), "verfication": {}})
    assert any("verfication" in warning for warning in validate_definition(unknown))


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (
            {"output": "Python 3.11.7", "expect": {"available": True, "version": "9.9"}},
            "examples[0]: expected version '9.9', got '3.11.7'",
        ),
        ({"output": "Ruby", "expect": {"available": True}}, "examples[0]: expected available: true, got false ("),
        ({"output": "Python 3.1", "expect": {"available": False}}, "expected available: false, got true"),
        ({"output": "Python 3.1", "exit_code": 1, "expect": {"available": True}}, "expected available: true"),
    ],
)
def test_an_example_that_comes_out_otherwise_is_a_fault(example: dict[str, Any], said: str) -> None:
    assert said in faults(with_examples(example))


def test_an_example_needs_commands() -> None:
    runtime = make_runtime(distributions={"verification": {"always_available": True, "examples": [GOOD]}})

    assert "no command passes" in faults(runtime)


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ("one", "examples: expected a list of examples, got 'one'"),
        (["one"], "examples[0]: expected "),
        ([{"expect": {"available": True}}], "examples[0].output: expected a text, got "),
        ([{"output": "", "expect": {}}], "examples[0].expect.available: expected true or false, got null"),
        ([{"output": "", "expect": {"available": True, "version": 3}}], "examples[0].expect.version: expected a text"),
        ([{"output": "", "exit_code": 256, "expect": {"available": True}}], "examples[0].exit_code: expected "),
    ],
)
def test_an_example_that_cannot_be_read_is_a_fault(examples: Any, said: str) -> None:
    assert said in faults(make_runtime(distributions=verification(command(), examples=examples)))


@pytest.mark.parametrize(
    "ref", ["python", "Core.Python", ".python", "core.", "core.py thon", "a/b.c", "x." + "y" * 200]
)
def test_a_ref_is_a_pack_and_a_name_in_lower_case(ref: str) -> None:
    assert "ref: expected lower-case <pack>.<name>, at most 200 characters" in faults(make_runtime(ref))


def test_every_fault_is_told_at_once() -> None:
    said = faults(make_runtime("Bad", "x" * 201, verification(command(binary="bin/x"))))

    assert all(text in said for text in ("ref: ", "name: ", "verification.commands[0].binary: "))
