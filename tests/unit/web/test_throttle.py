"""How often somebody may try."""

from __future__ import annotations

from attune.web.services import Throttle


def test_a_bucket_empties_and_fills_again_with_time() -> None:
    now = [0.0]
    throttle = Throttle(burst=2, per_second=0.5, clock=lambda: now[0])

    assert [throttle.wait("a"), throttle.wait("a"), throttle.wait("a"), throttle.wait("b")] == [0, 0, 2, 0]
    now[0] = 2.0
    assert [throttle.wait("a"), throttle.wait("a")] == [0, 2]
    now[0] = 100.0
    assert [throttle.wait("a"), throttle.wait("a"), throttle.wait("a") > 0] == [0, 0, True]


def test_the_keys_that_are_remembered_are_bounded() -> None:
    throttle = Throttle(burst=1, per_second=0.001)

    for number in range(10_001):
        assert throttle.wait(str(number)) == 0
    assert throttle.wait("10000") > 0
    assert throttle.wait("0") == 0
