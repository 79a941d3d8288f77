"""How long to wait before something that failed is tried again: exponentially longer, with jitter."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first` and `slowest` are seconds; `jitter` is the share of the delay by which it may differ either way."""

    first: float
    slowest: float
    jitter: float = 0.2

    def delay(self, failures: int, chance: float = 0.5) -> float:
        """Seconds to wait after *failures* failures in a row. *chance* is a random number from 0 to 1."""
        if failures < 1:
            return 0.0
        plain = self.first * 2.0 ** min(failures - 1, 32)
        return min(self.slowest, plain) * (1 + self.jitter * (2 * chance - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRules(Backoff):
    """The delays, after how many seconds past failures are forgotten, and how many in a row count as failed."""

    first: float = 1.0
    slowest: float = 60.0
    healthy_after: float = 60.0
    failed_after: int = 8

    def given_up(self, failures: int) -> bool:
        """Whether so many in a row count as failed: it is still tried, at the slowest pace."""
        return failures >= self.failed_after


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often a process has ended: `failures` in a row without a healthy time between, `total` in all."""

    failures: int = 0
    total: int = 0

    def ended(self, ran_for: float, rules: RestartRules) -> "Restarts":
        """After another end; *ran_for* seconds."""
        return Restarts(1 if ran_for >= rules.healthy_after else self.failures + 1, self.total + 1)
