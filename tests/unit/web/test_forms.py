"""The form of a schema: what stands in it at first, and what it gives when it is sent."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from attune.core.executions.action import with_defaults
from attune.core.json_schema import value_problems
from attune.web.ui.forms import fields_of, values_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=5,
)
TYPES = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null",
}  # fmt: skip
NAMES = TEXTS.filter(lambda name: name != "")


@st.composite
def properties(draw: st.DrawFn) -> dict[str, Any]:
    """A property with a default; with its type, among other types, as one of an enumeration, or said of nothing."""
    value = draw(VALUES)
    kind = TYPES[type(value)]
    said: list[dict[str, Any]] = [{"type": kind}, {"type": sorted({kind, "null"})}, {"enum": [value, "another"]}]
    if isinstance(value, str):
        said.append({})
    return {"default": value, **draw(st.sampled_from(said))}


@given(st.dictionaries(NAMES, properties(), min_size=1, max_size=4))
def test_a_form_that_is_sent_as_it_stands_gives_the_defaults(known: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": known}
    values, faults = values_of(schema, {field.name: field.value for field in fields_of(schema)})

    assert faults == []
    assert with_defaults(schema, values) == with_defaults(schema, {})
    assert {name for name, below in known.items() if below["default"] not in (None, "", [], {})} <= values.keys()


@given(st.dictionaries(NAMES, properties(), max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=5))
def test_whatever_is_typed_is_values_or_faults_that_belong_to_a_field(
    known: dict[str, Any], texts: dict[str, str]
) -> None:
    schema = {"type": "object", "properties": known}
    values, faults = values_of(schema, {**texts, **dict.fromkeys(known, "typed")})
    faults += value_problems(schema, values, root="parameters")
    shown = fields_of(schema, texts, faults)

    assert all(any(field.has(fault) for field in shown) for fault in faults)


def test_a_secret_never_stands_in_a_form() -> None:
    schema = {"properties": {"token": {"type": "string", "secret": True, "default": "hidden"}}}
    fields = [*fields_of(schema), *fields_of(schema, {"token": "typed"})]

    assert [(field.kind, field.value) for field in fields] == [("password", "")] * 2
