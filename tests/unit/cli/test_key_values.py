"""Parameters of commands, as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from attune.cli.key_values import read_pairs
from attune.core.errors import AttuneError

SCHEMA = {
    "properties": {
        "count": {"type": "integer"},
        "ratio": {"type": ["number", "null"]},
        "dry": {"type": "boolean"},
        "hosts": {"type": "array"},
        "name": {"type": "string"},
        "either": {"type": ["string", "integer"]},
        "anything": {},
    }
}


def test_text_becomes_what_the_schema_asks_for() -> None:
    given = ["count=3", "ratio=0.5", "dry=true", 'hosts=["a"]', "name=3", "either=3", "anything=3", "unknown=3"]

    assert read_pairs(given, SCHEMA) == {
        "count": 3, "ratio": 0.5, "dry": True, "hosts": ["a"], "name": "3", "either": "3", "anything": "3",
        "unknown": "3",
    }  # fmt: skip
    assert read_pairs(["count=3"]) == {"count": "3"}


def test_text_that_does_not_fit_stays_for_the_schema_to_refuse() -> None:
    assert read_pairs(["count=three", "dry=yes", "count2:=3"], SCHEMA) == {"count": "three", "dry": "yes", "count2": 3}


def test_a_file_is_read_as_text_as_the_schema_says_or_as_json(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("[1]\n")

    assert read_pairs([f"name=@{file}", f"hosts=@{file}", f"more:=@{file}"], SCHEMA) == {
        "name": "[1]\n",
        "hosts": [1],
        "more": [1],
    }
    assert read_pairs(['name:="@bob"']) == {"name": "@bob"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("name=@/none", "-p name: expected a file after @, got '/none'"),
        ("name=@", "-p name: expected a file after @, got ''"),
        ("name=@{here}", "-p name=@{here}: expected a regular file, got a directory"),
        ("count:=three", "-p: expected JSON after count:=, got 'three'"),
        ("=3", "-p: expected KEY=TEXT or KEY:=JSON, got '=3'"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, given: str, says: str) -> None:
    with pytest.raises(AttuneError) as caught:
        read_pairs([given.format(here=tmp_path)], SCHEMA)

    assert (str(caught.value), caught.value.exit_code) == (says.format(here=tmp_path), 2)
