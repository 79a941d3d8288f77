"""Templates in the parameters of rules."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.events.template import TemplateError, expressions_in, rendered

VALUES: dict[str, Any] = {"a": 3, "b": "text", "c": [1, {"x": None}], "{'k': {'l': 1}}": {"k": {"l": 1}}, "'}}'": "}}"}


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("${{ a }}", 3),
        ("${{a}}", 3),
        ("${{ c }}", [1, {"x": None}]),
        ("n=${{ a }}", "n=3"),
        ("${{ a }}${{ b }}", "3text"),
        ("${{ c }}!", '[1, {"x": null}]!'),
        ("${{ {'k': {'l': 1}} }}", {"k": {"l": 1}}),
        ("<${{ '}}' }}>", "<}}>"),
        ("no template, {{ a }} and $a", "no template, {{ a }} and $a"),
        ({"x": ["${{ b }}", 4, None]}, {"x": ["text", 4, None]}),
        ("", ""),
    ],
)
def test_a_template_alone_keeps_its_type_and_within_text_becomes_text(template: Any, result: Any) -> None:
    assert rendered(template, VALUES.__getitem__) == result


@pytest.mark.parametrize(("text", "position"), [("${{ a", 0), ("x ${{ a }", 2), ("${{ 'a }}", 0), ("${{ a }} ${{", 9)])
def test_a_template_without_end_is_told_with_its_place(text: str, position: int) -> None:
    with pytest.raises(TemplateError) as caught:
        list(expressions_in({"x": [text]}))

    assert caught.value.position == position


def test_keys_are_never_templates() -> None:
    assert list(expressions_in({"${{ a }}": "${{ b }}"})) == ["b"]
