"""When a process that ended is started again: exponential back-off with jitter, forgotten after a healthy time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartRules:
    """All in seconds, but for `factor`, `jitter` (a share of the delay) and `failed_after` (failures in a row)."""

    first: float = 1.0
    factor: float = 2.0
    slowest: float = 60.0
    jitter: float = 0.2
    healthy_after: float = 60.0
    failed_after: int = 8


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often a process has ended: `failures` in a row without a healthy time between, `total` in all."""

    failures: int = 0
    total: int = 0

    def ended(self, ran_for: float, rules: RestartRules) -> Restarts:
        """After another end; *ran_for* seconds."""
        failures = 1 if ran_for >= rules.healthy_after else self.failures + 1
        return Restarts(failures, self.total + 1)

    def delay(self, rules: RestartRules, chance: float) -> float:
        """Seconds until the next start. *chance* is a random number from 0 to 1."""
        if not self.failures:
            return 0.0
        plain = rules.first * rules.factor ** min(self.failures - 1, 32)
        return min(rules.slowest, plain) * (1 + rules.jitter * (2 * chance - 1))

    def given_up(self, rules: RestartRules) -> bool:
        """Whether it counts as failed: it is still tried, at the slowest pace."""
        return self.failures >= rules.failed_after
