"""Events, rules and expressions in memory."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from attune.core.errors import UsageError
from attune.core.events.event import DeadLetter, EventRecord, PendingEvents, RuleRecord, Trigger, TriggerRecord
from attune.core.events.expression import Evaluated
from attune.core.events.rule import BreakerState, Firing, NewEnforcement, Rule
from attune.core.json_schema import storable_fault
from attune.core.sensors.event_line import NewEvent


class MemoryExpressions:
    """`Expressions` that Python functions of the variables stand for, by their text; others are problems.

    One that raises `TimeoutError` goes over its limit.
    """

    def __init__(self, known: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> None:
        self._known = known

    async def evaluate(
        self, texts: Sequence[str], variables: Mapping[str, Any], seconds: float | None = None
    ) -> list[Evaluated]:
        answers: list[Evaluated] = []
        for text in texts:
            if seconds is not None and answers and answers[-1].overran:
                answers.append(answers[-1])
            else:
                answers.append(self._evaluated(text, variables, 1.0 if seconds is None else seconds))
        return answers

    async def check(self, texts: Sequence[str]) -> list[Evaluated]:
        nothing: dict[str, list[str]] = {"variables": [], "functions": []}
        return [Evaluated(nothing) if text in self._known else Evaluated(problem="unknown") for text in texts]

    def _evaluated(self, text: str, variables: Mapping[str, Any], seconds: float) -> Evaluated:
        if text not in self._known:
            return Evaluated(problem="unknown")
        try:
            return Evaluated(self._known[text](variables))
        except (KeyError, TypeError) as error:
            return Evaluated(problem=f"there is no {error}")
        except TimeoutError:
            problem = f"expected at most {seconds:g} s of processor time, got more"
            return Evaluated(problem=problem, seconds=seconds, overran=True)


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
    breakers: dict[str, BreakerState] = field(default_factory=dict)

    async def triggers(self, refs: Sequence[str]) -> Mapping[str, Trigger]:
        return {trigger.ref: trigger for trigger in self.known_triggers if trigger.ref in refs}

    async def rules(self, trigger_refs: Sequence[str]) -> Sequence[Rule]:
        rules = [
            replace(rule, breaker=self.breakers.get(rule.ref, rule.breaker))
            for rule in self.known_rules
            if rule.trigger_ref in trigger_refs
        ]
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

    async def store_breakers(self, states: Collection[tuple[Rule, BreakerState]]) -> None:
        self.breakers |= {rule.ref: state for rule, state in states}

    async def create(self, _connection: object, firing: Firing) -> int:
        """Creates an execution, as `Reaction` needs it."""
        self.executions.append(firing)
        return len(self.executions)


class MemoryEventLog:
    """`EventReader` and its `DeadLetters` in memory, of an installation in which no rule fires."""

    def __init__(self, triggers: Sequence[TriggerRecord] = (), rules: Sequence[RuleRecord] = ()) -> None:
        self._triggers = {trigger.ref: trigger for trigger in triggers}
        self._rules = {rule.ref: rule for rule in rules}
        self._events: list[EventRecord] = []
        self.letters: dict[int, DeadLetter] = {}  # events that were set aside

    async def list_triggers(self) -> Sequence[TriggerRecord]:
        return [self._triggers[ref] for ref in sorted(self._triggers)]

    async def list_rules(self) -> Sequence[RuleRecord]:
        return [self._rules[ref] for ref in sorted(self._rules)]

    async def set_rule_enabled(self, ref: str, enabled: bool) -> bool:
        if ref in self._rules:
            self._rules[ref] = replace(self._rules[ref], enabled=enabled, paused=None)
        return ref in self._rules

    async def list_events(self, limit: int, trigger_ref: str | None = None) -> Sequence[EventRecord]:
        return [event for event in reversed(self._events) if trigger_ref in (None, event.trigger_ref)][:limit]

    async def get_event(self, event_id: int) -> EventRecord | None:
        return next((event for event in self._events if event.id == event_id), None)

    async def refusals(self) -> Mapping[str, str]:
        return {}

    async def pending(self) -> PendingEvents:
        return PendingEvents()

    async def list_letters(self, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        return [self.letters[number] for number in sorted(self.letters) if number > after][:limit]

    async def replay(self, letter: int) -> str | None:
        if letter not in self.letters:
            raise UsageError(f"no dead letter has the number {letter}")
        body = json.loads(self.letters[letter].body)
        try:
            await self.send(body["trigger_ref"], body["payload"])
        except UsageError as error:
            times = self.letters[letter].times + 1
            self.letters[letter] = replace(self.letters[letter], times=times, reason=str(error))
            return str(error)
        del self.letters[letter]
        return None

    async def remove_letter(self, letter: int) -> bool:
        return self.letters.pop(letter, None) is not None

    async def send(self, trigger_ref: str, payload: Mapping[str, Any]) -> EventRecord:
        trigger = self._triggers.get(trigger_ref)
        if trigger is None:
            raise UsageError(f"trigger: expected one that exists, got {trigger_ref!r}")
        faults = (storable_fault(trigger_ref, "trigger"), storable_fault(dict(payload), "payload"))
        if any(faults):
            raise UsageError(faults=filter(None, faults))
        number, now = len(self._events) + 1, datetime.now(UTC)
        event = EventRecord(id=number, trigger_ref=trigger_ref, source_ref=None, created=now, payload=dict(payload))
        self._events.append(event)
        self._triggers[trigger_ref] = replace(trigger, last_event=now)
        return event
