"""How many checks run at once, and when one more may start.

Measured on two cores: four CPU-bound checks at a time are as fast as more. Any check may be one that hangs, and then
every moment before its start is lost: so a moderate number of them start all at once.
"""

import os
from dataclasses import dataclass

from attune.host.probing.job import Job


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The bounds of one runner.

    `slots` are for checks that compute, `most` bounds everything that runs at once. Up to `burst` checks start
    together, whatever the slots say. After `slot_seconds` a check gives its slot up, so that a few that wait or never
    end do not hold up the rest.
    """

    slots: int = 4
    most: int = 64
    burst: int = 40
    slot_seconds: float = 0.25


def machine_concurrency() -> Concurrency:
    """Two slots for every processor that this process may use, at least four.

    Where less than two processors may be used there is no burst: many at once would run into their time limits.
    """
    processors = min(float(len(os.sched_getaffinity(0))), _quota())
    return Concurrency(slots=max(4, int(2 * processors)), burst=40 if processors >= 2 else 0)


def _quota() -> float:
    """How many processors the control group of a container grants; infinity if it sets no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:  # noqa: PTH123
            quota, period = file.read().split()
        return float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return float("inf")


class Limiter:
    """Counts the checks that run, and those among them that hold a slot: all but those that have had it for long."""

    def __init__(self, concurrency: Concurrency) -> None:
        self._concurrency = concurrency
        self._most = concurrency.most
        self._running = 0
        self._holders: set[Job] = set()

    @property
    def full(self) -> bool:
        """Whether nothing more may run at the same time."""
        return self._running >= self._most

    @property
    def has_slot(self) -> bool:
        """Whether one more check may start."""
        return not self.full and len(self._holders) < self._concurrency.slots

    def entered(self, job: Job) -> None:
        """A job was started."""
        self._running += 1
        self._holders.add(job)

    def left(self, job: Job) -> None:
        """A job is over."""
        self._running -= 1
        self._holders.discard(job)

    def narrow(self) -> None:
        """The system can take no more at once than what runs now."""
        self._most = max(1, self._running)

    def free_slots(self, now: float) -> float:
        """Take the slot from checks that have had it for long; in how many seconds the next one gives it up."""
        began = now - self._concurrency.slot_seconds
        self._holders = {job for job in self._holders if job.started > began}
        if self.full:
            return float("inf")
        return 0.0 if self.has_slot else min(job.started for job in self._holders) - began
