"""Schemas of parameters and payloads, and values held against them."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.json_schema import schema_problems, value_problems


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.mark.parametrize(
    ("given", "path", "expected", "got"),
    [
        (schema(a={"type": "strnig"}), "properties.a.type", "one of array, boolean,", "'strnig', did you mean string?"),
        (schema(a={"type": ["string", 3]}), "properties.a.type", "one of array, boolean,", "['string', 3]"),
        (schema(a={"minLength": -1}), "properties.a.minLength", "at least 0", "-1"),
        (schema(a={"maximum": "9"}), "properties.a.maximum", "a number", "'9'"),
        (schema(a=3), "properties.a", "an object or true or false", "3"),
        ({"type": "object", "required": "a"}, "required", "a list", "'a'"),
        (schema(a={"pattern": "(?=x)"}), "properties.a.pattern", "a pattern (RE2)", "look-ahead"),
        (schema(a={"$ref": "https://example.com/x"}), "properties.a.$ref", "a reference within this schema", "https"),
        (schema(a={"$ref": "#/$defs/none"}), "properties.a.$ref", "a reference within this schema", "#/$defs/none"),
    ],
)
def test_a_faulty_schema_is_told_with_the_path_of_the_fault(given: Any, path: str, expected: str, got: str) -> None:
    (found,) = schema_problems(given)

    assert found.field == path
    assert expected in found.expected
    assert got in found.got


def test_every_fault_of_a_schema_is_told() -> None:
    given = schema(a={"type": "x"}, b={"type": "y"}, c={"enum": 3})

    assert len(schema_problems(given)) == 3


@pytest.mark.parametrize(
    "given",
    [
        {},
        schema(a={"type": "integer", "minimum": 0}, b={"enum": [1, "pattern"]}),
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}},
        {"type": "object", "properties": {"pattern": {"type": "string"}}, "default": {"pattern": "("}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
    ],
)
def test_a_good_schema_has_no_problem(given: Any) -> None:
    assert schema_problems(given) == []


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"width": "5"}, "parameters.width: expected an integer, got '5'"),
        ({"width": True}, "parameters.width: expected an integer, got true"),
        ({"width": 0}, "parameters.width: expected at least 1, got 0"),
        (
            {"width": 5, "heigth": 3},
            "parameters.heigth: expected one of height, mode, path, token, width, got",
        ),
        ({}, "parameters.width: expected a value, got nothing"),
        ({"width": 5, "mode": "wide"}, "parameters.mode: expected one of 'fit', 'fill', got 'wide'"),
        ({"width": 5, "path": "a b"}, "parameters.path: expected text that matches '^[a-z]+$', got 'a b'"),
        (3, "parameters: expected an object, got 3"),
    ],
)
def test_a_value_that_does_not_fit_is_one_sentence(value: Any, sentence: str) -> None:
    given = {
        **schema(
            height={"type": "integer"},
            mode={"enum": ["fit", "fill"]},
            path={"type": "string", "pattern": "^[a-z]+$"},
            token={"type": "string"},
            width={"type": "integer", "minimum": 1},
        ),
        "required": ["width"],
    }
    (found,) = value_problems(given, value, root="parameters")

    assert str(found).startswith(sentence)


def test_a_secret_value_is_never_shown() -> None:
    given = schema(
        token={"type": "string", "minLength": 99, "secret": True}, keys={"secret": True, "items": {"type": "string"}}
    )
    found = value_problems(given, {"token": "hunter2", "keys": [4711]})

    assert [str(one) for one in found] == [
        "token: expected at least 99 characters, got a secret value",
        "keys[0]: expected a text, got a secret value",
    ]


def test_patterns_match_in_linear_time() -> None:
    found = value_problems(schema(a={"pattern": "^(a+)+$"}), {"a": "a" * 50_000 + "!"})

    assert len(found) == 1


def test_a_schema_without_end_is_told() -> None:
    (found,) = value_problems({"allOf": [{"$ref": "#"}]}, {})

    assert found.got == "one on which the schema does not end"


def test_many_problems_are_cut_off() -> None:
    assert len(value_problems(schema(), {f"k{number}": 1 for number in range(100)})) == 20


@pytest.mark.parametrize(
    "given", [{"type": 5}, {"type": "text"}, {"allOf": [{"$ref": "http://x"}]}, {"enum": 5}, {"minimum": "a"}]
)
def test_what_is_no_schema_is_told(given: dict[str, Any]) -> None:
    assert value_problems(given, 1)[-1].got == "one whose schema is none"
