"""Triggers, rules and events, read for people; and the one switch of a rule."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg import AsyncConnection, Rollback

from attune.core.errors import DatabaseError, DatabaseFault, UsageError
from attune.core.events.event import (
    DeadLetter,
    EnforcementRecord,
    EventRecord,
    PendingEvents,
    RuleRecord,
    TriggerRecord,
)
from attune.core.json_schema import storable_fault
from attune.core.sensors.event_line import NewEvent
from attune.postgres.connection import Pool
from attune.postgres.rows import execute, read_all, read_one, read_pairs, read_value, transaction, without_secrets

Recorder = Callable[[AsyncConnection[Any], NewEvent], Awaitable[tuple[int | None, str | None]]]
"""Records an event with all that follows: its id, or why it was refused."""

_TRIGGERS = """
    SELECT t.ref, t.label, t.enabled,
           (SELECT coalesce(array_agg(r.ref ORDER BY r.ref), '{}') FROM rule AS r WHERE r.trigger = t.id) AS rules,
           (SELECT coalesce(array_agg(s.ref ORDER BY s.ref), '{}') FROM sensor AS s WHERE s.trigger = t.id) AS sensors,
           (SELECT e.created FROM event AS e WHERE e.trigger = t.id ORDER BY e.id DESC LIMIT 1) AS last_event
    FROM trigger AS t ORDER BY t.ref
"""
_RULES = f"""
    SELECT r.ref, r.label, r.enabled, r.trigger_ref, r.action_ref, r.paused, r.priority, r.overlap,
           CASE WHEN jsonb_typeof(r.conditions) = 'array' THEN r.conditions
               WHEN r.conditions IN ('{{}}', 'null') THEN '[]' ELSE jsonb_build_array(r.conditions)
           END AS conditions, r.at_most_every_seconds, r.delay_seconds,
           {without_secrets("r.action_params", "a.param_schema")} AS action_params
    FROM rule AS r LEFT JOIN action AS a ON a.id = r.action ORDER BY r.ref
"""
_ENFORCEMENTS = """
    SELECT n.event, n.id, n.rule_ref, n.status::text, x.id AS execution, x.status::text AS execution_status,
           CASE WHEN n.status = 'disabled' THEN n.config ->> 'reason' END AS reason
    FROM enforcement AS n LEFT JOIN execution AS x ON x.enforcement = n.id
    WHERE n.event = ANY(%s) ORDER BY n.id
"""


class PostgresEventLog:
    """`EventReader` on PostgreSQL; *record* is what `send` does."""

    def __init__(self, pool: Pool, record: Recorder) -> None:
        self._pool = pool
        self._record = record

    async def list_triggers(self) -> Sequence[TriggerRecord]:
        return await read_all(self._pool, TriggerRecord, _TRIGGERS)

    async def list_rules(self) -> Sequence[RuleRecord]:
        return await read_all(self._pool, RuleRecord, _RULES)

    async def set_rule_enabled(self, ref: str, enabled: bool) -> bool:
        query = "UPDATE rule SET enabled = %s, overruns = 0, paused = NULL WHERE ref = %s"
        return bool(await execute(self._pool, query, (enabled, ref)))

    async def list_events(self, limit: int, trigger_ref: str | None = None) -> Sequence[EventRecord]:
        return await self._events(
            "WHERE %(trigger)s::text IS NULL OR trigger_ref = %(trigger)s ORDER BY id DESC LIMIT %(limit)s",
            {"trigger": trigger_ref, "limit": limit},
        )

    async def get_event(self, event_id: int) -> EventRecord | None:
        return next(iter(await self._events("WHERE id = %(id)s", {"id": event_id})), None)

    async def send(self, trigger_ref: str, payload: Mapping[str, Any]) -> EventRecord:
        faults = (storable_fault(trigger_ref, "trigger"), storable_fault(dict(payload), "payload"))
        if any(faults):
            raise UsageError(faults=filter(None, faults))
        async with transaction(self._pool) as connection:
            number, refusal = await self._record(connection, NewEvent(trigger_ref, payload))
        if number is None:
            raise UsageError(str(refusal), hint="attune trigger list")
        sent = await self.get_event(number)
        assert sent is not None
        return sent

    async def refusals(self) -> Mapping[str, str]:
        try:
            await execute(self._pool, "UPDATE worker SET refused = refused WHERE false")
        except DatabaseError as error:
            if not error.sqlstate:
                raise
            return {"database": str(error)}
        return await read_pairs(self._pool, "SELECT role || ' ' || name, refused FROM refusing_node")

    async def pending(self) -> PendingEvents:
        query = """
            SELECT count(*) AS number, coalesce(extract(epoch FROM now() - min(created)), 0)::float8 AS waited
            FROM event WHERE pending
        """
        return await read_one(self._pool, PendingEvents, query) or PendingEvents()

    async def list_letters(self, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        query = "SELECT * FROM dead_letter WHERE id > %s ORDER BY id LIMIT %s"
        return await read_all(self._pool, DeadLetter, query, (after, limit))

    async def replay(self, letter: int) -> str | None:
        refusal: str | None = None
        try:
            async with transaction(self._pool) as connection:
                query = "DELETE FROM dead_letter WHERE id = %s RETURNING *"
                refused = await read_one(connection, DeadLetter, query, (letter,))
                if refused is None:
                    raise UsageError(f"no dead letter has the number {letter}", hint="attune dead-letter list")
                if refused.kind == "event":
                    _, refusal = await self._record(connection, NewEvent(**json.loads(refused.body)))
                else:
                    query = "SELECT replay_dead_letter(%s, %s::jsonb, %s)"
                    refusal = await read_value(connection, query, (refused.kind, refused.body, refused.login))
                if refusal is None:
                    return None
                raise Rollback
        except DatabaseError as error:
            if error.fault is not DatabaseFault.REJECTED:
                raise
            refusal = str(error)
        except (TypeError, ValueError):
            refusal = "expected an event, got something else"
        query = "UPDATE dead_letter SET times = least(times, 2147483646) + 1, reason = %s WHERE id = %s"
        await execute(self._pool, query, (refusal, letter))
        return refusal

    async def remove_letter(self, letter: int) -> bool:
        return bool(await execute(self._pool, "DELETE FROM dead_letter WHERE id = %s", (letter,)))

    async def _events(self, condition: str, parameters: Mapping[str, Any]) -> list[EventRecord]:
        query = f"SELECT id, trigger_ref, source_ref, created, payload FROM event {condition}"
        events = await read_all(self._pool, EventRecord, query, parameters)
        of_event: dict[int, list[EnforcementRecord]] = {event.id: [] for event in events}
        for enforcement in await read_all(self._pool, EnforcementRecord, _ENFORCEMENTS, (list(of_event),)):
            of_event[enforcement.event].append(enforcement)
        return [replace(event, enforcements=tuple(of_event[event.id])) for event in events]
