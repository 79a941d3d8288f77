"""What of a body is refused before anybody reads it."""

from __future__ import annotations

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
