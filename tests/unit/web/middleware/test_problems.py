"""What of a body is refused before anybody reads it."""

from __future__ import annotations

import time

import pytest

from attune.web.middleware.problems import json_fault


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", None),
        (b"no json", None),
        (b"[" * 100 + b"]" * 100, None),
        (b"[" * 101 + b"]" * 101, "deeper"),
        (b"[" * 400_000, "deeper"),
        (b'"' + b"[" * 400_000 + b'"', None),
        (b'"' + b'\\"[' * 1000 + b'"', None),
        (b'{"a": "\\u0000"}', "U+0000"),
        (b'{"a": "\\\\u0000"}', None),
        (b'{"a": "\\ud83d\\ude00"}', None),
        (b'{"a": "\\ud83d"}', "surrogate"),
        (b'{"\\uD83D": 1}', "surrogate"),
    ],
)
def test_a_body_that_cannot_be_kept_is_refused(body: bytes, fault: str | None) -> None:
    found = json_fault(body)

    assert found is None if fault is None else fault in (found or "")


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * 100 + b"]" * 100, False),
        (b"[" * 101 + b"]" * 101, True),
        (b'{"a":' * 101 + b"1" + b"}" * 101, True),
        (b"[" * 101, True),
        (b"]" * 500, False),
        (b'["' + b"[" * 500 + b'"]', False),
        (b'["\\\\", ' + b"[" * 100 + b"]" * 101, True),
        (b'["\\"' + b"[" * 500 + b'"]', False),
        (b"[[],[]," * 1000, True),
        (b"[" + b"[{}]," * 1000 + b"[]]", False),
    ],
    ids=range(10),
)
def test_nesting_is_measured_outside_of_strings(body: bytes, deep: bool) -> None:
    assert (json_fault(body) is not None) == deep


def test_a_megabyte_of_brackets_is_looked_at_in_no_time() -> None:
    began = time.process_time()
    json_fault(b"[]," * 350_000)

    assert time.process_time() - began < 2
