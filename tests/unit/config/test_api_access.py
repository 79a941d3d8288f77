"""The address of the API and the token, from variables and from the file."""

from __future__ import annotations

import json

import pytest

TOKEN = "attune_" + "s3cr3t" * 7


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://x", "http://x"),
        ("http://x/", "http://x"),
        ("https://attune.example:8420/prefix//", "https://attune.example:8420/prefix"),
        ("http://[::1]:8420/", "http://[::1]:8420"),
        ("http://127.0.0.1:8420", "http://127.0.0.1:8420"),
    ],
)
def test_the_address_is_read_with_and_without_a_slash(load, written: str, read: str) -> None:
    assert load(ATTUNE_URL=written).api.url == read
    assert load(f"api: {{url: '{written}'}}").api.url == read


@pytest.mark.parametrize(
    "written",
    ["x", "x:8420", "ftp://x", "http://", "http:///p", "http://x:0", "http://x:99999", "http://a b", "http://x?y=1",
     "http://x#y", "http://x\n", "http://[::1", "http://::1:80", "//x", "http://x:port", "http://" + "x" * 3000],
)  # fmt: skip
def test_what_is_no_address_is_refused(refuse, written: str) -> None:
    error = refuse(ATTUNE_URL=written)

    assert str(error).startswith("api.url: expected a ")
    assert str(error).endswith("(ATTUNE_URL)")
    assert error.hint == "set ATTUNE_URL='https://attune.example'"


def test_an_address_with_a_password_is_refused_and_not_shown(refuse) -> None:
    assert "hunter2" not in str(refuse(ATTUNE_URL="https://ann:hunter2@attune.example"))


def test_the_longer_names_win(load) -> None:
    settings = load(
        ATTUNE_URL="http://a", ATTUNE__API__URL="http://b", ATTUNE_TOKEN="attune_a", ATTUNE__API__TOKEN="attune_b"
    )

    assert (settings.api.url, settings.api.token) == ("http://b", "attune_b")


def test_a_token_is_in_no_repr(load) -> None:
    settings = load(ATTUNE_TOKEN=TOKEN)

    assert settings.api.token == TOKEN
    assert TOKEN not in repr(settings)


@pytest.mark.parametrize("written", [f"{TOKEN}\n", f"{TOKEN} x", f"{TOKEN}é", TOKEN * 20])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(refuse, written: str) -> None:
    for error in (refuse(ATTUNE_TOKEN=written), refuse(f"api:\n  token: {json.dumps(written)}")):
        assert str(error).startswith("api.token: expected a token as `attune token create` prints it, got ")
        assert "s3cr3t" not in f"{error} {error.hint}"


@pytest.mark.parametrize("value", ["5", "true", "[attune_s3cr3t]", "{a: attune_s3cr3t}", "1.5e3"])
def test_a_token_of_another_type_is_refused_and_not_shown(refuse, value: str) -> None:
    error = refuse(f"api: {{token: {value}}}")

    assert "got something else" in str(error)
    assert "s3cr3t" not in f"{error} {error.hint}"
