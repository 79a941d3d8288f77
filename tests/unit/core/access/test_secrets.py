"""References to secrets, what can be one, and which parameters are refused before anything is stored."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.access.secrets import check_secret, parameter_faults, reference_in, texts_of, to_encrypt
from attune.core.errors import UsageError

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "number"}, "key": {"type": "string", "minLength": 30, "secret": True}, "all": {}},
}


@pytest.mark.parametrize(
    ("value", "name"),
    [("secret:db-password", "db-password"), ("secret:a.b_c", "a.b_c"), ("secret:", None), ("secret: a", None),
     ("my secret:a", None), ("secret:a\n", None), ("Secret:a", None), (7, None), (["secret:a"], None)],
)  # fmt: skip
def test_a_reference_is_the_whole_value(value: Any, name: str | None) -> None:
    assert reference_in(value) == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "a" * 101, "\u00e4", "a\n"])
def test_a_name_that_no_secret_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="name: expected letters"):
        check_secret(name, "hunter22")


@pytest.mark.parametrize(("value", "got"), [("abc", "a short"), ("", "a short"), ("x" * 65_537, "a long")])
def test_a_value_that_cannot_be_masked_is_refused_and_not_shown(value: str, got: str) -> None:
    with pytest.raises(UsageError, match=f"value: expected a secret of 4 to 65536 characters, got {got}") as caught:
        check_secret("a", value)
    assert len(str(caught.value)) < 100


def test_what_is_masked_of_a_value() -> None:
    assert [*texts_of({"a": "hunter2", "b": ["abc", 12345, True, None, {"c": "xyzzy"}]})] == [
        "hunter2",
        "12345",
        "xyzzy",
    ]


def test_marked_parameters_are_encrypted_and_references_are_not() -> None:
    given = {"key": "hunter22", "other": "plain", "named": "secret:a"}
    assert to_encrypt({"key", "named", "absent"}, given) == {"key": "hunter22"}


def test_a_reference_fits_whatever_the_schema_wants() -> None:
    assert parameter_faults(SCHEMA, {"n": "secret:pin", "key": "secret:a"}) == []
    assert [str(fault) for fault in parameter_faults(SCHEMA, {"n": "secret", "key": "x" * 30})] == [
        "parameters.n: expected a number, got 'secret'"
    ]


def test_a_secret_parameter_of_three_characters_is_refused() -> None:
    schema = {"properties": {"key": {"secret": True}}}
    assert [str(fault) for fault in parameter_faults(schema, {"key": "abc"})] == [
        "parameters.key: expected a secret of 4 to 65536 characters, got a shorter one"
    ]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(float("inf"), "parameters.all: expected numbers that JSON has and a double can hold, got another"),
     (float("nan"), "parameters.all: expected numbers that JSON has and a double can hold, got another"),
     ("a\0b", "parameters.all: expected text without NUL characters, got one"),
     ("\ud800", "parameters.all: expected text that is Unicode, got half of a surrogate pair"),
     ({"a": [1, {"b": "\0"}]}, "parameters.all.a[1].b: expected text without NUL characters, got one"),
     ({"\ud800": 1}, "parameters.all.\\ud800: expected text that is Unicode, got half of a surrogate pair")],
)  # fmt: skip
def test_what_the_database_cannot_hold_is_refused_with_its_path_and_without_the_secret_beside_it(
    value: Any, sentence: str
) -> None:
    assert [str(fault) for fault in parameter_faults(SCHEMA, {"all": value, "key": "hunter2"})] == [sentence]


def test_json_that_is_too_deep_is_refused() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    assert "levels deep" in str(parameter_faults(SCHEMA, {"all": value})[0])


def test_a_required_parameter_that_has_a_default_may_be_left_out() -> None:
    schema = {"type": "object", "required": ["n", "m"], "properties": {"n": {"type": "integer", "default": 3}}}

    assert [str(fault) for fault in parameter_faults(schema, {})] == ["parameters.m: expected a value, got nothing"]
    assert parameter_faults(schema, {"m": 1}) == []
