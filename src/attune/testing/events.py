"""Events, rules and expressions in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from attune.core.events.event import Trigger
from attune.core.events.expression import Evaluated
from attune.core.events.rule import Firing, NewEnforcement, Rule
from attune.core.sensors.event_line import NewEvent


class MemoryExpressions:
    """`Expressions` that Python functions of the variables stand for, by their text; others are problems."""

    def __init__(self, known: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> None:
        self._known = known

    async def evaluate(self, texts: Sequence[str], variables: Mapping[str, Any]) -> list[Evaluated]:
        return [self._value(text, variables) for text in texts]

    async def check(self, texts: Sequence[str]) -> list[Evaluated]:
        nothing: dict[str, list[str]] = {"variables": [], "functions": []}
        return [Evaluated(nothing) if text in self._known else Evaluated(problem="unknown") for text in texts]

    def _value(self, text: str, variables: Mapping[str, Any]) -> Evaluated:
        if text not in self._known:
            return Evaluated(problem="unknown")
        try:
            return Evaluated(self._known[text](variables))
        except (KeyError, TypeError) as error:
            return Evaluated(problem=f"there is no {error}")


@dataclass
class MemoryEvents:
    """`EventTables` in memory; `disabled_rules` are refs. Everything that was stored can be looked at."""

    known_triggers: Sequence[Trigger] = ()
    known_rules: Sequence[Rule] = ()
    disabled_rules: frozenset[str] = frozenset()
    events: list[NewEvent] = field(default_factory=list)
    enforcements: list[NewEnforcement] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    executions: list[Firing] = field(default_factory=list)

    async def triggers(self, refs: Sequence[str]) -> Mapping[str, Trigger]:
        return {trigger.ref: trigger for trigger in self.known_triggers if trigger.ref in refs}

    async def rules(self, trigger_refs: Sequence[str]) -> Sequence[Rule]:
        rules = [rule for rule in self.known_rules if rule.trigger_ref in trigger_refs]
        return sorted((rule for rule in rules if rule.ref not in self.disabled_rules), key=lambda rule: rule.ref)

    async def insert_events(self, events: Sequence[NewEvent]) -> Sequence[int]:
        first = len(self.events) + 1
        self.events += events
        return range(first, first + len(events))

    async def insert_enforcements(self, enforcements: Sequence[NewEnforcement]) -> Sequence[int]:
        first = len(self.enforcements) + 1
        self.enforcements += enforcements
        return range(first, first + len(enforcements))

    async def fail_enforcement(self, enforcement: int, reason: str) -> None:
        self.failed[enforcement] = reason

    async def create(self, _connection: object, firing: Firing) -> int:
        """`CreateExecution`."""
        self.executions.append(firing)
        return len(self.executions)
