"""Reading definitions: what is right, and one sentence for each thing that is wrong."""

from __future__ import annotations

import pytest

from attune.core.errors import DefinitionError
from attune.core.runtimes.aliases import fold
from attune.core.runtimes.definition import parse_definition, unknown_keys
from attune.core.runtimes.runtime import Runtime
from factories import command, make_definition, make_runtime, verification


def problems_of(distributions: object) -> str:
    with pytest.raises(DefinitionError) as caught:
        parse_definition(Runtime("core.x", "X", distributions))
    return str(caught.value)


def test_a_full_definition_becomes_values() -> None:
    definition = make_definition(command(), min_version="3.8", aliases=["python3"], roles=["worker"])

    check = definition.verification.checks[0]
    assert (check.binary, check.args, check.exit_code, check.pattern, check.priority) == (
        "python3",
        ("--version",),
        0,
        r"Python 3\.",
        1,
    )
    assert definition.capability == "python"
    assert definition.roles == {"worker"}
    assert definition.bounds[0].text == ">=3.8"


def test_defaults_are_those_of_the_reference() -> None:
    check = make_definition({"binary": "ruby"}).verification.checks[0]

    assert (check.args, check.exit_code, check.pattern, check.priority, check.optional, check.timeout_seconds) == (
        (),
        0,
        None,
        999,
        False,
        10.0,
    )


@pytest.mark.parametrize(
    ("distributions", "sentence"),
    [
        (None, "distributions: expected an object, got null"),
        ([], "distributions: expected an object, got []"),
        ("python", "distributions: expected an object, got 'python'"),
        (3, "distributions: expected an object, got 3"),
        (["bash", "sh"], "distributions: expected an object, got ['bash', 'sh']"),
        ({"verification": []}, "verification: expected an object, got []"),
        ({"verification": {"commands": {}}}, "verification.commands: expected a list of commands, got {}"),
        (verification(*[command()] * 21), "verification.commands: expected at most 20 commands, got 21"),
        (verification(None), "verification.commands[0]: expected an object, got null"),
        (
            verification("python3 --version"),
            'verification.commands[0]: expected an object such as {"binary": "python3", "args": ["--version"]}, '
            "got 'python3 --version'",
        ),
        (verification({}), "verification.commands[0].binary: expected a command name or an absolute path, got nothing"),
        (
            verification(command(binary="")),
            "verification.commands[0].binary: expected a command name or an absolute path, got ''",
        ),
        (
            verification(command(binary="  ")),
            "verification.commands[0].binary: expected a command name or an absolute path, got '  '",
        ),
        (
            verification(command(binary="bin/python")),
            "verification.commands[0].binary: expected a bare name or an absolute path, got 'bin/python'",
        ),
        (
            verification(command(binary="a\0b")),
            "verification.commands[0].binary: expected a name without NUL, got 'a\\x00b'",
        ),
        (
            verification(command(binary="x" * 256)),
            "verification.commands[0].binary: expected at most 255 characters, got 256",
        ),
        (
            verification(command(args="--version")),
            "verification.commands[0].args: expected a list of texts, got '--version'",
        ),
        (verification(command(args=[1])), "verification.commands[0].args[0]: expected a text, got 1"),
        (
            verification(command(args=["x" * 4097])),
            "verification.commands[0].args[0]: expected at most 4096 characters, got 4097",
        ),
        (verification(command(priority="1")), "verification.commands[0].priority: expected an integer, got '1'"),
        (verification(command(priority=1.5)), "verification.commands[0].priority: expected an integer, got 1.5"),
        (verification(command(priority=True)), "verification.commands[0].priority: expected an integer, got true"),
        (
            verification(command(optional="yes")),
            "verification.commands[0].optional: expected true or false, got 'yes'",
        ),
        (
            verification(command(timeout_seconds=-1)),
            "verification.commands[0].timeout_seconds: expected a number of seconds above 0, up to 600, got -1",
        ),
        (verification(command(pattern=3)), "verification.commands[0].pattern: expected a text, got 3"),
        (verification(discover="some"), "verification.discover: expected 'first' or 'all', got 'some'"),
        (verification(always_available="yes"), "verification.always_available: expected true or false, got 'yes'"),
        ({"roles": ["boss"]}, "roles[0]: expected 'worker' or 'sensor', got 'boss'"),
        ({"roles": "worker"}, "roles: expected a list of names, got 'worker'"),
        ({"aliases": [7]}, "aliases[0]: expected a name, got 7"),
        ({"min_version": 3.8}, "min_version: expected a version as text, such as '3.8', got 3.8"),
    ],
)
def test_a_malformed_definition_names_the_field_what_was_expected_and_what_was_found(
    distributions: object, sentence: str
) -> None:
    assert problems_of(distributions) == sentence


@pytest.mark.parametrize("value", ["0", True, 0.5, -1, 256])
def test_exit_codes_are_integers_from_0_to_255(value: object) -> None:
    assert "verification.commands[0].exit_code: expected an integer from 0 to 255, got" in problems_of(
        verification(command(exit_code=value))
    )


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("ab[", "missing ] at position 2"),
        ("(", "missing ) at position 0"),
        ("x*a**", "bad repetition operator at position 3"),
        ("*a", "no argument for repetition operator at position 0"),
        ("(?P<v", "invalid named capture group at position 0"),
        ("a(?=b)", "look-ahead at position 1 is not supported"),
        ("(?<=a)b", "look-behind at position 0 is not supported"),
        (r"(a)\1", "back-references at position 3 are not supported"),
        ("a" * 1001, "at most 1000 characters"),
    ],
)
def test_a_bad_pattern_is_refused_with_its_position(pattern: str, part: str) -> None:
    said = problems_of(verification(command(pattern=pattern)))

    assert said.startswith("verification.commands[0].pattern: expected a valid RE2 pattern, got ")
    assert part in said


def test_every_fault_of_a_definition_is_reported_not_only_the_first() -> None:
    said = problems_of(verification(command(exit_code="0"), command(pattern="[")))

    assert "commands[0].exit_code" in said
    assert "commands[1].pattern" in said


def test_bad_versions_are_refused_where_they_stand() -> None:
    assert problems_of({"min_version": "three"}).startswith("min_version: expected a version such as '3.8'")
    assert problems_of({"version_constraint": ">>3"}).startswith("version_constraint: expected a version constraint")


def test_commands_are_ordered_by_priority_and_ties_keep_their_order() -> None:
    definition = make_definition(
        command(binary="c", priority=5), command(binary="a", priority=-1), command(binary="d", priority=5)
    )

    assert [check.binary for check in definition.verification.checks] == ["a", "c", "d"]


def test_an_empty_object_is_legal() -> None:
    assert parse_definition(make_runtime(distributions={})).verification.checks == ()


def test_unknown_keys_are_kept_and_reported_with_the_nearest_known_one() -> None:
    definition = make_definition(command(exitcode=0))

    assert definition.warnings == ("verification.commands[0].exitcode: unknown key, did you mean exit_code?",)
    assert unknown_keys(make_runtime(distributions={"min_versoin": "3"})) == (
        "distributions.min_versoin: unknown key, did you mean min_version?",
    )


def test_a_look_alike_letter_is_legal_but_its_code_point_is_shown() -> None:
    (warning,) = make_definition(command(binary="pyth\u043en3")).warnings

    assert "U+043E (CYRILLIC SMALL LETTER O)" in warning


def test_newlines_in_arguments_are_fine() -> None:
    assert make_definition(command(args=["-c", "a\nb"])).verification.checks[0].args == ("-c", "a\nb")


def test_nesting_of_any_depth_is_an_error_or_ignored_but_never_a_crash() -> None:
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]

    assert "verification.commands[0].args[0]: expected a text" in problems_of(verification(command(args=[deep])))
    assert parse_definition(make_runtime(distributions={"extra": deep})).verification.checks == ()


@pytest.mark.parametrize(
    ("name", "distributions", "expected"),
    [
        ("Python", {}, "python"),
        ("Node.js", {}, "node"),
        ("Shell", {}, "shell"),
        ("Built-in Sensors", {"aliases": ["builtin"]}, "builtin"),
        ("OpenJDK", {}, "java"),
        ("Python 3", {"aliases": ["PYTHON3"]}, "python"),
    ],
)
def test_the_capability_name_is_the_first_alias_or_the_name_folded(
    name: str, distributions: dict[str, object], expected: str
) -> None:
    assert parse_definition(make_runtime("core.x", name, distributions)).capability == expected


@pytest.mark.parametrize("name", ["", "  "])
def test_a_blank_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=f"name: expected a text, got '{name}'"):
        parse_definition(make_runtime("acme.x", name))


@pytest.mark.parametrize(
    ("name", "ref", "expected"),
    [
        ("My  Tool", "acme.my-tool", "my-tool"),
        ("Ruby 3 (prod)", "acme.ruby", "ruby"),
        ("Ünïcode", "acme.uni", "uni"),
        ("!docker", "acme.no-docker", "no-docker"),
        ("Python 3.11", "acme.python311", "python311"),
        ("zone=eu", "acme.node.nodejs", "node"),
        ("core.python", "evil.thing", "thing"),
        ("x" * 129, "acme.long", "long"),
        ("python >=3", "acme.odd name", "odd name"),  # nothing can say that either, and nothing asks for it
    ],
)
def test_a_name_that_no_requirement_can_say_gives_way_to_the_end_of_the_ref_with_a_warning(
    name: str, ref: str, expected: str
) -> None:
    definition = parse_definition(make_runtime(ref, name, verification(command())))

    assert definition.capability == expected
    assert [warning for warning in definition.warnings if warning.startswith("name: no requirement can say")]


@pytest.mark.parametrize("name", ["Python3.11", "Lua5.4", ".NET", "C#", "g++", "Node.js", "tools/jq"])
def test_a_name_that_a_requirement_can_say_is_taken_without_a_warning(name: str) -> None:
    definition = parse_definition(make_runtime("acme.tool", name, verification(command())))

    assert (definition.capability, definition.warnings) == (fold(name), ())


def test_what_work_is_started_with_leaves_to_the_host_what_only_a_host_decides() -> None:
    start = {
        "args": ["-u"],
        "environment": {"GREETING": "hi", "PATH": "/x", "LD_PRELOAD": "/x", "PYTHONPATH": "/x", "NODE_OPTIONS": "-r x"},
    }
    options = make_definition(command(), start=start).start

    assert (options.on_host(()).args, options.on_host(()).environment) == (("-u",), {"GREETING": "hi"})
    assert options.on_host(("PYTHONPATH",)).environment == {"GREETING": "hi", "PYTHONPATH": "/x"}
    assert make_definition(command()).start.environment == {}
    said = problems_of({"start": {"args": "-u", "environment": {"A": 1}, "env": {}}})
    for part in ("start.args: expected a list of texts", "start.environment: expected names of variables", "start.env"):
        assert part in said
