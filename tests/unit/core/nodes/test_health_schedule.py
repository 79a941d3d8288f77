"""When each runtime is looked at again."""

from __future__ import annotations

from random import Random

from attune.core.nodes.health import RuntimeHealth
from attune.core.nodes.health_schedule import CheckSchedule, Slot, after_cheap, after_full, spread
from attune.core.runtimes.verdict import Status, Verdict

SCHEDULE = CheckSchedule(interval=10.0, full_interval=100.0)
GOOD = Verdict("core.python", "python", Status.AVAILABLE, "")
BAD = Verdict("core.python", "python", Status.UNAVAILABLE, "")


def full_pause(health: RuntimeHealth) -> float:
    return after_full(health, 0.0, SCHEDULE, Random(1)).full


def test_the_same_runtime_is_looked_at_after_pauses_that_differ() -> None:
    random = Random(1)
    cheap = {after_cheap(Slot(0, 50), 0.0, SCHEDULE, random).cheap for _ in range(20)}
    full = {after_full(RuntimeHealth(GOOD), 0.0, SCHEDULE, random).full for _ in range(20)}

    assert (len(cheap), len(full)) == (20, 20)
    assert all(8.0 <= pause <= 12.0 for pause in cheap) and max(cheap) - min(cheap) > 1
    assert all(80.0 <= pause <= 120.0 for pause in full) and max(full) - min(full) > 10


def test_a_cheap_check_leaves_the_time_of_the_full_one() -> None:
    assert after_cheap(Slot(0, 50), 1.0, SCHEDULE, Random(1)).full == 50


def test_a_contradiction_is_looked_at_soon_and_what_keeps_failing_seldom() -> None:
    wavering = full_pause(RuntimeHealth(GOOD, failures=1))
    returning = full_pause(RuntimeHealth(BAD, successes=1))
    held_back = full_pause(RuntimeHealth(BAD, successes=1, holds=1))
    failing = [full_pause(RuntimeHealth(BAD, failures=count)) for count in (1, 2, 3, 50)]

    assert wavering == returning < 3.5
    assert held_back == wavering * 4
    assert failing == sorted(failing)
    assert failing[-1] == full_pause(RuntimeHealth(GOOD)), "never slower than what is well"


def test_nothing_is_spread_over_nothing() -> None:
    assert spread([], 0.0, SCHEDULE, Random(1)) == {}
