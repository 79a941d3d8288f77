"""Delays before something that failed is tried again."""

from __future__ import annotations

import pytest

from attune.core.backoff import Backoff


@pytest.mark.parametrize(("failures", "expected"), [(0, 0.0), (1, 0.5), (2, 1.0), (4, 4.0), (9, 10.0), (5000, 10.0)])
def test_every_failure_doubles_the_delay_up_to_the_slowest(failures: int, expected: float) -> None:
    assert Backoff(0.5, 10.0).delay(failures) == expected


def test_jitter_moves_the_delay_either_way() -> None:
    backoff = Backoff(1.0, 10.0, jitter=0.2)

    assert (backoff.delay(1, 0.0), backoff.delay(1, 1.0)) == (0.8, 1.2)
