"""The circuit breaker of rules: how much processor time an event's rules may take, and which rule is paused."""

from dataclasses import dataclass, field

from attune.core.events.rule import BreakerState, Rule

RULE_SECONDS = 1.0
"""What the conditions of a rule may take, and its parameters."""
EVENT_SECONDS = 2.0
"""What all rules of an event may take; then each of the others gets `LEAST_SECONDS`."""
LEAST_SECONDS = 0.1
MOST_OVERRUNS = 3
"""In a row: then a rule is paused. The first is one of `RULE_SECONDS`: others may have used up the event's."""


@dataclass
class CircuitBreaker:
    """The states of all rules while events are judged. `changed` are the rules, by id, whose state is to be stored."""

    changed: dict[int, tuple[Rule, BreakerState]] = field(default_factory=dict)

    def state(self, rule: Rule) -> BreakerState:
        """How it is with *rule* now."""
        return self.changed[rule.id][1] if rule.id in self.changed else rule.breaker

    def note(self, rule: Rule, overrun: str | None) -> BreakerState:
        """The state of *rule* after it was judged; *overrun* says over which limit it went, None for none."""
        before = self.state(rule)
        overruns = before.overruns + 1 if overrun else 0
        paused = f"{overrun}, {overruns} times in a row" if overruns >= MOST_OVERRUNS else None
        state = BreakerState(overruns, paused)
        if state != before:
            self.changed[rule.id] = rule, state
        return state
