"""Spans of time, and moments, as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from attune.core.durations import moment_of, seconds_of
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


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:00", datetime(2026, 11, 26, 14)),
        ("09:30:15", datetime(2026, 11, 27, 9, 30, 15)),
        ("10:00", datetime(2026, 11, 27, 10)),
        ("2026-12-01 08:00", datetime(2026, 12, 1, 8)),
        ("2026-12-01T08:00Z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01T08:00+02:00", datetime(2026, 12, 1, 6, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_and_a_time_of_day_is_the_next_one(text: str, moment: datetime) -> None:
    read = moment_of(text, datetime(2026, 11, 26, 10))
    assert read.tzinfo is not None
    assert read == (moment if moment.tzinfo else moment.astimezone())


@pytest.mark.parametrize(
    "text", ["", "14", "25:00", "14:00Z", "soon", "2026-02-30 10:00", "0001-01-01 00:00", "14:00\0"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--at: expected a time such as 14:00"):
        moment_of(text, datetime(2026, 11, 26, 10), "--at")
