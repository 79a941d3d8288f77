"""How many checks run at once.

Measured on two cores: four CPU-bound checks at a time are as fast as more. A check that only waits costs no processor,
so it gives its slot up. Any check may be one that hangs, and then every moment before its start is lost: so a moderate
number of them start all at once. Knowing from earlier runs what each costs made no run shorter, so it is not kept.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The bounds of one runner.

    `slots` are for checks that compute, `most` bounds everything that runs at once. Up to `burst` checks start
    together, whatever the slots say. After `slot_seconds` a check gives its slot up, so that a few endless ones do not
    hold up the rest.
    """

    slots: int = 4
    most: int = 64
    burst: int = 40
    slot_seconds: float = 0.5


def machine_concurrency() -> Concurrency:
    """Two slots for every processor that this process may use, at least four.

    Where less than two processors may be used there is no burst: many at once would run into their time limits.
    """
    processors = min(float(len(os.sched_getaffinity(0))), _quota())
    return Concurrency(slots=max(4, int(2 * processors)), burst=40 if processors >= 2 else 0)


def bounded_concurrency(most: int) -> Concurrency:
    """Never more than *most* at the same time, whether they compute or wait."""
    return Concurrency(slots=most, most=most, burst=0)


def _quota() -> float:
    """How many processors the control group of a container grants; infinity if it sets no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:  # noqa: PTH123
            quota, period = file.read().split()
        return float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return float("inf")
