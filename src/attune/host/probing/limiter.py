"""Decides when one more check may start."""

from __future__ import annotations

from attune.host.probing.concurrency import Concurrency
from attune.host.probing.cpu_state import only_waits, snapshot
from attune.host.probing.job import Job

_LOOK_SECONDS = 0.005
_LONGEST_LOOK_SECONDS = 0.04


class Limiter:
    """Counts the checks that run and those among them that hold a slot: all but those seen to wait only."""

    def __init__(self, concurrency: Concurrency) -> None:
        self._concurrency = concurrency
        self._most = concurrency.most
        self._running = 0
        self._holders: set[Job] = set()
        self._pause = _LOOK_SECONDS
        self._next_look = 0.0

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

    def pause(self, now: float) -> float:
        """In how many seconds to look again, when checks wait for their turn and none may start now."""
        return float("inf") if self.full else max(0.0, self._next_look - now)

    def look(self, now: float) -> None:
        """Take the slot from checks that only wait, or that have had it for long. Looks every few milliseconds."""
        if self.full or now < self._next_look:
            return
        freed = [job for job in self._holders if self._gives_up(job, now)]
        self._holders.difference_update(freed)
        self._pause = _LOOK_SECONDS if freed else min(self._pause * 1.5, _LONGEST_LOOK_SECONDS)
        self._next_look = now + self._pause

    def _gives_up(self, job: Job, now: float) -> bool:
        if now - job.started > self._concurrency.slot_seconds:
            return True
        before, job.snapshot = job.snapshot, snapshot(job.process.pid)
        return only_waits(job.snapshot, before)
