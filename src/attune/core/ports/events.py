"""Triggers, rules and events: as commands show them, and as reacting to events needs them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from attune.core.events.event import DeadLetter, EventRecord, PendingEvents, RuleRecord, Trigger, TriggerRecord
from attune.core.events.expression import Evaluated
from attune.core.events.rule import BreakerState, NewEnforcement, Rule
from attune.core.sensors.event_line import NewEvent


class DeadLetters(Protocol):
    """What the database refused and was set aside."""

    async def list_letters(self, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """What was set aside, the oldest first, with a number above *after*."""

    async def replay(self, letter: int) -> str | None:
        """Store a dead letter as it would have been, and remove it; why it is still refused. `UsageError` for none."""

    async def remove_letter(self, letter: int) -> bool:
        """Forget a dead letter; False if there is none."""


class EventReader(DeadLetters, Protocol):
    """Triggers, rules and events for commands."""

    async def list_triggers(self) -> Sequence[TriggerRecord]: ...

    async def list_rules(self) -> Sequence[RuleRecord]: ...

    async def set_rule_enabled(self, ref: str, enabled: bool) -> bool:
        """Switch a rule on or off, and close its circuit breaker; False if there is none of that ref."""

    async def list_events(self, limit: int, trigger_ref: str | None = None) -> Sequence[EventRecord]:
        """The last events, newest first."""

    async def get_event(self, event_id: int) -> EventRecord | None: ...

    async def send(self, trigger_ref: str, payload: Mapping[str, Any]) -> EventRecord:
        """Record an event as a sensor would. Raises `UsageError` for one that is refused."""

    async def refusals(self) -> Mapping[str, str]:
        """What is not stored at present and why, by the live node that says so, or `database`."""

    async def pending(self) -> PendingEvents:
        """The events whose rules no process of the operator has judged yet."""


class EventTables(Protocol):
    """What reacting needs of a database, within one transaction."""

    async def triggers(self, refs: Sequence[str]) -> Mapping[str, Trigger]: ...

    async def rules(self, trigger_refs: Sequence[str]) -> Sequence[Rule]:
        """The rules of these triggers that are enabled, by ref."""

    async def insert_events(self, events: Sequence[NewEvent]) -> Sequence[int]: ...

    async def insert_enforcements(self, enforcements: Sequence[NewEnforcement]) -> Sequence[int]: ...

    async def fail_enforcement(self, enforcement: int, reason: str) -> None: ...

    async def store_breakers(self, states: Collection[tuple[Rule, BreakerState]]) -> None:
        """Store the states of circuit breakers; not of rules that were changed since they were read."""


class Expressions(Protocol):
    """Evaluates expressions without running anything else, in bounded time."""

    async def evaluate(
        self, texts: Sequence[str], variables: Mapping[str, Any], seconds: float | None = None
    ) -> Sequence[Evaluated]:
        """What each comes to. Together they get *seconds* of processor time, and none after one that went over a limit;
        without *seconds*, each has its own.
        """

    async def check(self, texts: Sequence[str]) -> Sequence[Evaluated]: ...
