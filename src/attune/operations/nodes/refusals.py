"""What a writer cannot store: tried again ever more slowly, told once for each reason, and counted."""

import random

import structlog

from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError, DatabaseFault

log = structlog.get_logger("attune")


class Refusals:
    """The failures in a row of one writer. *trouble* and *ended* are what the log says when they begin and end."""

    def __init__(self, trouble: str, ended: str, retry: Backoff) -> None:
        self._trouble = trouble
        self._ended = ended
        self._retry = retry
        self._told: set[str] = set()
        self.count = 0
        self.tries = 0
        """How many of the last ones in a row refused what was written, not the writing."""
        self.reason = ""

    def failed(self, error: Exception) -> float:
        """Count *error*; the seconds until it should be tried again."""
        self.count += 1
        rejected = isinstance(error, DatabaseError) and error.fault is DatabaseFault.REJECTED
        self.tries = self.tries + 1 if rejected else 0
        self.reason = f"{self._trouble}: {error}"
        key = error.sqlstate if isinstance(error, DatabaseError) else type(error).__name__
        if key not in self._told:
            self._told.add(key)
            log.warning(self.reason)
        return self._retry.delay(self.count, random.random())

    def worked(self) -> None:
        """Count no more; the next failure is a first one again."""
        if self.count:
            log.info(self._ended, failed=self.count)
        self._told.clear()
        self.count = self.tries = 0
        self.reason = ""
