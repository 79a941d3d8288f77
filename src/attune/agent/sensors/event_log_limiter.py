"""Says in the log what became of events that did not lead to what they should, without filling it."""

from __future__ import annotations

import time
from collections.abc import Callable

from attune.agent.logs import log
from attune.core.sensors.event_line import NewEvent

_SECONDS = 10.0


class EventLogLimiter:
    """A line for each sensor in ten seconds at most; the next line says how many were left out meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, tell: Callable[[str], None] | None = None) -> None:
        self._clock = clock
        self._tell = tell or log.warning
        self._told: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def __call__(self, event: NewEvent, sentence: str) -> None:
        """Tell of *event*: it was refused, or a rule of its trigger could not be evaluated."""
        source = event.sensor_ref or event.trigger_ref
        now = self._clock()
        if source in self._told and now - self._told[source] < _SECONDS:
            self._left_out[source] = self._left_out.get(source, 0) + 1
            return
        self._told[source] = now
        more = self._left_out.pop(source, 0)
        left_out = f" ({more} more since the last line on it)" if more else ""
        self._tell(f"{source}: an event has not led to what it should: {sentence}{left_out}")
