"""Which line of output is the result, and why none is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.host.executions.result import Lines

LONG = b'{"a": "' + b"x" * 3_355_443 + b'"}'


def result_of(*pieces: bytes) -> tuple[Any, str | None]:
    lines = Lines()
    for piece in (*pieces, b""):
        lines.feed(piece)
    return lines.last(str)


@pytest.mark.parametrize(
    "noise",
    [
        b"done\n",
        b"[INFO] done\n",
        b"[INFO] done [ok]\n",
        b"2026-11-26 19:12:00 done\n",
        b"true story\n",
        b"null and void\n",
        b'"quoted" text\n',
        b'{"level": "info"\n',
        b"{level: info}\n",
        b"\x1b[0m\n",
        b"\xff\xfe\n",
    ],
)
def test_what_is_logged_after_the_result_does_no_harm(noise: bytes) -> None:
    assert result_of(b'{"a": 1}\n', noise * 200) == ({"a": 1}, None)


def test_a_line_that_is_too_long_is_no_result_and_says_so() -> None:
    why = "the last line of output: expected at most 1 MiB of JSON, got 3.2 MiB"
    cut = [LONG[at : at + 32_768] for at in range(0, len(LONG), 32_768)]
    assert result_of(b'{"a": 1}\n', *cut) == (None, why)
    assert result_of(*cut, b"  \n", b"done\n") == (None, why)
    assert result_of(*cut, b"\n[2]\n") == ([2], None)
    assert result_of(b"x" * 2_000_000) == (None, None)
    assert result_of(b"[7]\n", b"{" + b"x" * 2_000_000) == ([7], None)


def test_what_only_looks_like_json_is_told() -> None:
    assert result_of(b"{oops\n") == (None, "the last line of output: expected JSON, got '{oops'")
    assert result_of(b"text\n") == (None, None)
    assert result_of() == (None, None)


@given(
    st.lists(st.one_of(st.integers(), st.text("ab{}"), st.lists(st.integers()), st.just(None)), max_size=200), st.data()
)
def test_however_it_is_cut_the_last_value_is_the_result(values: list[Any], data: st.DataObject) -> None:
    printed = b"".join(json.dumps(value).encode() + b"\n# a line between\n" for value in values)
    at = data.draw(st.integers(0, len(printed)))

    assert result_of(printed[:at], printed[at:] or b"\n") == (values[-1] if values else None, None)
