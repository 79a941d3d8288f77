"""When a process that ended is started again: exponential back-off with jitter, forgotten after a healthy time."""

from __future__ import annotations

from dataclasses import dataclass

from attune.core.backoff import Backoff


@dataclass(frozen=True, slots=True)
class RestartRules(Backoff):
    """The delays, after how many seconds past failures are forgotten, and how many in a row count as failed."""

    first: float = 1.0
    slowest: float = 60.0
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
        return rules.delay(self.failures, chance)

    def given_up(self, rules: RestartRules) -> bool:
        """Whether it counts as failed: it is still tried, at the slowest pace."""
        return self.failures >= rules.failed_after
