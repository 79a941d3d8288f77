from __future__ import annotations

import json
from typing import Any

import pytest

from attune.core.access.audit import LONGEST, body_detail

TOKEN = "attune_" + "x" * 43


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"value": "hush"}, {"value": "***"}),
        ({"parameters": {"a": "hush", "b": [1, {"c": "hush"}]}}, {"parameters": {"a": "***", "b": "***"}}),
        ({"payload": ["hush"], "trigger": "demo.tick"}, {"payload": "***", "trigger": "demo.tick"}),
        ({"env": {"DB_PASSWORD": "hush", "api_key": 7}}, {"env": {"DB_PASSWORD": "***", "api_key": "***"}}),
        ({"args": ["-c", f"curl -H {TOKEN} x"]}, {"args": ["-c", "curl -H attune_*** x"]}),
        ({"url": "postgresql://ann:hush@db/x"}, {"url": "postgresql://ann:***@db/x"}),
        ({TOKEN: 1}, {"attune_***": "***"}),
        ({"scope": "read", "expires_in": None, "token": None}, {"scope": "read", "expires_in": None, "token": None}),
        ([], []),
    ],
)  # fmt: skip
def test_what_may_be_secret_is_not_kept_of_a_body(sent: Any, kept: Any) -> None:
    assert body_detail(json.dumps(sent).encode()) == kept


@pytest.mark.parametrize("body", [b"", b"token=hush", b"{", b"\xff"])
def test_of_what_is_no_json_nothing_is_kept(body: bytes) -> None:
    assert body_detail(body) is None


def test_a_long_body_is_cut_and_named_by_its_digest() -> None:
    long = body_detail(json.dumps({"value": "hush", "x": "y" * 5000}).encode())
    huge = body_detail(b"x" * 100_000)

    assert long["cut"].startswith('{"value": "***", "x": "yyy')
    assert len(json.dumps(long)) <= LONGEST
    assert (huge["bytes"], len(huge["sha256"]), len(long["sha256"])) == (100_000, 64, 64)
