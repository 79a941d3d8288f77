"""How parameters are called, how large they may be and what collides, by delivery; and what an output has to fit."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.errors import UsageError
from attune.core.executions.action import SEEN, Action, Delivery, output_problem
from attune.core.executions.delivery import LONGEST_VALUE, arguments_of, document_of, variables_of
from attune.core.ports.executions import NewExecution


def test_each_delivery_names_parameters_by_one_rule() -> None:
    given = {"dry-run": True, "größe": "a b", "n": [1]}

    names = {"DRY_RUN": "true", "GR_SSE": "a b", "N": "[1]"}
    variables = variables_of(Delivery.ENV, given)
    assert {name: text for name, text in variables.items() if not name.startswith("ATTUNE_PARAMETER_")} == {
        f"ATTUNE_{kind}_{name}": text for name, text in names.items() for kind in ("PARAM", "ACTION")
    }
    assert arguments_of(given) == ["--dry-run=true", "--größe=a b", "--n=[1]"]
    assert arguments_of({"a": 1, "b": "x", "c": [2]}, ("missing", "b", "gone")) == ["--a=1", "--c=[2]", "", "x"]
    assert document_of({"a": "ö"}) == '{"a": "ö"}\n'.encode()
    assert document_of({"a": "it's", "n": 1}, Delivery.DOTENV).decode() == "a='it'\\''s'\nn='1'\n"


@pytest.mark.parametrize("delivery", Delivery)
def test_a_program_is_told_how_its_parameters_come(delivery: Delivery) -> None:
    told = variables_of(delivery, {"a": "1", "b": 1})
    text = delivery not in (Delivery.STDIN, Delivery.FILE)
    assert told.get("ATTUNE_PARAMETER_TYPES") == ('{"a": "text", "b": "json"}' if text else None)
    if delivery is Delivery.STDIN:
        assert told == {}
        return
    assert told["ATTUNE_PARAMETER_DELIVERY"] == (
        delivery if delivery in SEEN else "file" if delivery.endswith("file") else "stdin"
    )
    assert told["ATTUNE_PARAMETER_FORMAT"] == ("dotenv" if delivery.startswith("dotenv") else "json")


def refused(delivery: Delivery, parameters: dict[str, Any], schema: dict[str, Any] | None = None) -> str:
    action = Action("acme.act", "acme", "Act", "act.sh", delivery=delivery, param_schema=schema or {})
    try:
        NewExecution(action, parameters).check()
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("delivery", "parameters", "sentence"),
    [
        (
            Delivery.ENV,
            {"a-b": 1, "a.b": 2},
            "expected a variable of its own, got ATTUNE_PARAM_A_B, which is that of a-b",
        ),
        (Delivery.ARGS, {"a=b": 1}, "expected a name without '=', quotes and blanks"),
        (Delivery.ENV, {"a": "x" * LONGEST_VALUE}, "a: expected at most 128 KiB with its name"),
        (Delivery.ARGS, {"a": "ö" * 66_000}, "got 132004 bytes"),
        (Delivery.ARGS, {f"a{n}": "x" * 120_000 for n in range(9)}, "expected at most 1 MiB in all"),
        (Delivery.STDIN, {"a-b": 1, "a.b": "x" * 200_000, "a=b": 3}, ""),
        (Delivery.ENV, {"a": "x" * (LONGEST_VALUE - len("ATTUNE_ACTION_A="))}, ""),
        (Delivery.ENV, {"a-b": 1, "a.b": "secret:pin"}, ""),
        (Delivery.DOTENV, {"a-b": 1, "a.b": "x" * 200_000}, ""),
        (Delivery.DOTENV_FILE, {"it's": 1}, "quotes and blanks, as delivery: dotenv-file needs it"),
        (Delivery.DOTENV, {"a": "\0"}, "a: expected text without NUL"),
        (Delivery.FILE, {"a=b": "x" * 200_000}, ""),
    ],
)
def test_what_cannot_be_handed_over_is_refused_when_it_is_asked_for(
    delivery: Delivery, parameters: dict[str, Any], sentence: str
) -> None:
    said = refused(delivery, parameters)
    assert sentence in said
    assert bool(said) == bool(sentence)


def test_defaults_count_and_secrets_come_by_another_way() -> None:
    schema = {"properties": {"a-b": {"default": 1}, "a_b": {"secret": True}}}

    assert "a variable of its own" in refused(Delivery.ENV, {"a.b": 2}, schema)
    assert refused(Delivery.ENV, {"a_b": "hidden"}, schema) == ""


@pytest.mark.parametrize(
    ("schema", "result", "problem"),
    [
        ({"type": "object", "properties": {"n": {"type": "integer"}}}, {"n": 3, "more": 1}, None),
        (
            {"type": "object", "properties": {"n": {"type": "integer"}}},
            {"n": "x"},
            "n: expected an integer, got",
        ),
        ({"type": "object", "required": ["n"]}, {}, "result.n: expected a value, got nothing"),
        ({"type": "object"}, None, "result: expected an object, got"),
        ({"properties": {"n": {"type": "integer", "secret": True}}}, {"n": "pin"}, "got a secret value"),
        ({"type": 5}, {}, "which is no schema"),
    ],
)
def test_a_result_is_held_against_the_output(schema: dict[str, Any], result: Any, problem: str | None) -> None:
    said = output_problem(schema, result)
    assert said is None if problem is None else problem in str(said)
