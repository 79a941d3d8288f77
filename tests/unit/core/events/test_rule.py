"""Which rules fire, and with which parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from attune.core.events.expression import Evaluated, unknown_names
from attune.core.events.rule import Rule, fill_parameters, judge_conditions, parameter_texts
from attune.core.events.template import EARLIER_OPEN, OPEN

PAYLOAD = {"n": 5, "s": "abc", "flag": True, "list": ["x", 2], "deep": {"a": [{"b": "c"}]}, "none": None}
_HELD = {"field": "payload.n", "operator": "greater_than", "value": 4}


def rule(*conditions: Any, **parameters: Any) -> Rule:
    return Rule(1, "acme.r", "acme.a", "acme.t", conditions, parameters)


@pytest.mark.parametrize(
    ("field", "operator", "value", "holds"),
    [
        ("n", "equals", 5, True),
        ("payload.n", "==", 5, True),
        ("event.payload.n", "eq", 5.0, True),
        ("trigger.payload.n", "equals", "5", False),
        ("flag", "equals", 1, False),
        ("flag", "equals", True, True),
        ("n", "not_equals", 4, True),
        ("missing", "not_equals", 4, True),
        ("missing", "equals", None, False),
        ("none", "equals", None, True),
        ("n", ">", 4, True),
        ("n", ">=", 5, True),
        ("n", "less_than", 5, False),
        ("n", "lte", 5, True),
        ("s", "greater_than", 4, False),
        ("missing", "greater_than", 4, False),
        ("s", "contains", "bc", True),
        ("s", "contains", 3, False),
        ("list", "contains", "x", True),
        ("deep", "contains", "a", True),
        ("list", "not_contains", "y", True),
        ("s", "starts_with", "ab", True),
        ("s", "ends_with", "ab", False),
        ("n", "starts_with", "5", False),
        ("s", "in", ["abc", "d"], True),
        ("s", "not_in", ["abc"], False),
        ("s", "matches", "^a.c$", True),
        ("s", "matches", "(", False),
        ("deep.a.0.b", "equals", "c", True),
        ("deep.a.7.b", "equals", "c", False),
        ("n", "exists", True, True),
        ("missing", "exists", False, True),
    ],
)
def test_conditions_of_earlier_versions_are_understood(field: str, operator: str, value: Any, holds: bool) -> None:
    decision = judge_conditions(rule({"field": field, "operator": operator, "value": value}), PAYLOAD, {})

    assert (decision.fires, decision.problem) == (holds, None)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (3, "conditions[0]: expected an expression or an object with field, operator and value, got 3"),
        ({"operator": "equals"}, "conditions[0]: expected an expression or an object with field"),
        ({"field": "n", "operator": "about"}, "conditions[0]: operator: expected one of contains, ends_with"),
    ],
)
def test_a_condition_that_means_nothing_is_a_problem_rather_than_false(condition: Any, problem: str) -> None:
    decision = judge_conditions(rule(condition), PAYLOAD, {})

    assert not decision.fires
    assert decision.problem is not None
    assert decision.problem.startswith(problem)


@pytest.mark.parametrize(
    ("conditions", "fires", "problem"),
    [
        ([], True, None),
        (["yes"], True, None),
        (["yes", "no"], False, None),
        (["no", "broken"], False, None),
        (["broken", "no"], False, "conditions[0]: 'broken': there is no 'x'"),
        (["number"], False, "conditions[0]: 'number': expected true or false, got 1"),
        (["yes", _HELD], True, None),
    ],
)
def test_all_conditions_must_hold_and_the_first_that_does_not_decides(
    conditions: list[Any], fires: bool, problem: str | None
) -> None:
    evaluated = {
        "yes": Evaluated(True),
        "no": Evaluated(False),
        "number": Evaluated(1),
        "broken": Evaluated(problem="there is no 'x'"),
    }
    decision = judge_conditions(rule(*conditions), PAYLOAD, evaluated)

    assert (decision.fires, decision.problem) == (fires, problem)


def test_parameters_that_the_action_does_not_take_keep_the_rule_from_firing() -> None:
    given = Rule(
        *(1, "acme.r", "acme.a", "acme.t"),
        action_params={"width": "${{ w }}", "token": "${{ t }}"},
        param_schema={
            "type": "object",
            "properties": {"width": {"type": "integer"}, "token": {"type": "integer", "secret": True}},
        },
    )
    decision = fill_parameters(given, {"w": Evaluated("wide"), "t": Evaluated("hunter2")}, {})

    assert decision.problem == (
        "parameters.width: expected an integer, got 'wide'; parameters.token: expected an integer, got a secret value"
    )


def test_rules_of_earlier_versions_follow_paths_and_what_is_not_there_is_null_with_a_warning() -> None:
    given = Rule(
        *(1, "acme.r", "acme.a", "acme.t"),
        action_params={"tag": "{{ trigger.payload.tags.0 }}", "by": "{{ system.rule.ref }}", "no": "{{ payload.x.y }}"},
        opening=EARLIER_OPEN,
    )
    variables = {"payload": {}, "trigger": {"payload": {"tags": ["a", "b"]}}, "system": {"rule": {"ref": "acme.r"}}}

    assert parameter_texts(given) == []
    decision = fill_parameters(given, {}, variables)

    assert decision.parameters == {"tag": "a", "by": "acme.r", "no": None}
    assert (decision.fires, decision.warnings) == (True, ("{{ payload.x.y }} is not there, so it is null",))
    assert parameter_texts(replace(given, opening=OPEN, action_params={"a": "${{ payload.x }}"})) == ["payload.x"]


@pytest.mark.parametrize(
    ("text", "variables", "functions", "unknown"),
    [
        ("payload.a", ["payload"], ["_._"], []),
        ("payload.l.map(x, x + 1).exists( y , y > 2)", ["payload", "x", "y"], ["_+_"], []),
        ("paylod.a", ["paylod"], [], ["paylod"]),
        ("shell(payload)", ["payload"], ["shell"], ["shell()"]),
        ("x + payload.l.map(y, y)", ["payload", "x", "y"], ["_+_"], ["x"]),
    ],
)
def test_names_that_no_event_will_have_are_found_before(
    text: str, variables: list[str], functions: list[str], unknown: list[str]
) -> None:
    checked = Evaluated({"variables": variables, "functions": functions})

    assert unknown_names(text, checked, frozenset({"payload"})) == unknown
