"""How long to wait before something that failed is tried again: exponentially longer, with jitter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first` and `slowest` are seconds; `jitter` is the share of the delay by which it may differ either way."""

    first: float
    slowest: float
    factor: float = 2.0
    jitter: float = 0.2

    def delay(self, failures: int, chance: float = 0.5) -> float:
        """Seconds to wait after *failures* failures in a row. *chance* is a random number from 0 to 1."""
        if failures < 1:
            return 0.0
        plain = self.first * self.factor ** min(failures - 1, 32)
        return min(self.slowest, plain) * (1 + self.jitter * (2 * chance - 1))
