"""How often somebody may try: a bucket of tries for each key, filled again with time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_KEYS = 10_000


class Throttle:
    """*burst* tries at once, then *per_second*. Keys beyond the last 10,000 are forgotten."""

    def __init__(self, *, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = float(burst)
        self._rate = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Count a try of *key*; 0 if it may go ahead, else the seconds until the next may."""
        now = self._clock()
        left, at = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        pause = 0.0 if left >= 1 else (1 - left) / self._rate
        self._buckets[key] = (left if pause else left - 1, now)
        if len(self._buckets) > _KEYS:
            self._buckets.popitem(last=False)
        return pause
