"""Triggers, rules, events and what was set aside, over the API: `EventReader`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from attune.client.wire import OverWire, record_of, segment
from attune.core.events.event import (
    DeadLetter,
    EnforcementRecord,
    EventRecord,
    PendingEvents,
    RuleRecord,
    TriggerRecord,
)

_PATH = "/api/dead-letters"


class HttpEvents(OverWire):
    """`EventReader` over the API."""

    async def list_triggers(self) -> Sequence[TriggerRecord]:
        return [record_of(TriggerRecord, data) for data in await self._wire.pages("/api/triggers")]

    async def list_rules(self) -> Sequence[RuleRecord]:
        return [record_of(RuleRecord, data) for data in await self._wire.pages("/api/rules")]

    async def set_rule_enabled(self, ref: str, enabled: bool) -> bool:
        return await self._wire.switch(f"/api/rules/{segment(ref)}", enabled)

    async def list_events(self, limit: int, trigger_ref: str | None = None) -> Sequence[EventRecord]:
        query = {"trigger": trigger_ref} if trigger_ref else {}
        return [_event(data) for data in (await self._wire.get("/api/events", **query, limit=limit))["data"]]

    async def get_event(self, event_id: int) -> EventRecord | None:
        answer = await self._wire.ask("GET", f"/api/events/{event_id}", accept=(404,))
        return _event(answer.data) if answer.status == 200 else None

    async def send(self, trigger_ref: str, payload: Mapping[str, Any]) -> EventRecord:
        body = {"trigger": trigger_ref, "payload": dict(payload)}
        return _event((await self._wire.ask("POST", "/api/events", body=body)).data)

    async def refusals(self) -> Mapping[str, str]:
        refusals: dict[str, str] = (await self._wire.get("/api/event-health"))["refusals"]
        return refusals

    async def pending(self) -> PendingEvents:
        return record_of(PendingEvents, (await self._wire.get("/api/event-health"))["pending"])

    async def list_letters(self, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        letters = [record_of(DeadLetter, data) for data in await self._wire.pages(_PATH)]
        return [letter for letter in letters if letter.id > after][:limit]

    async def replay(self, letter: int) -> str | None:
        refusal: str | None = (await self._wire.ask("POST", f"{_PATH}/{letter}/replay")).data["refusal"]
        return refusal

    async def remove_letter(self, letter: int) -> bool:
        return (await self._wire.ask("DELETE", f"{_PATH}/{letter}", accept=(404,))).status != 404


def _event(data: Any) -> EventRecord:
    record = record_of(EventRecord, data)
    return replace(record, enforcements=tuple(record_of(EnforcementRecord, each) for each in record.enforcements))
