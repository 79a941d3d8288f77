"""Spans of time as people write them."""

from __future__ import annotations

import pytest

from attune.core.durations import seconds_of
from attune.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("1.5s", 1.5), ("250ms", 0.25), ("12h", 43_200), (" 7 d", 604_800), ("2m", 120)]
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "5y", "1e9", "inf", "1h30m", "٣s"])
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match="--for: expected a number above 0"):
        seconds_of(text, "--for")
