"""Events, and what rules made of them: the tables `event`, `enforcement`, `rule` and `trigger`, for reacting."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.access.secrets import encrypted, to_encrypt
from attune.core.errors import UsageError
from attune.core.events.event import Trigger
from attune.core.events.rule import BreakerState, Firing, NewEnforcement, Rule
from attune.core.events.template import opening_of
from attune.core.executions.action import with_defaults
from attune.core.executions.delivery import delivery_faults
from attune.core.packs.work_reader import LONGEST_SECONDS
from attune.core.ports.access import SecretCipher
from attune.core.sensors.event_line import NewEvent
from attune.postgres.executions.actions import KEEP_VERSIONS, actions_of, versions_of
from attune.postgres.executions.store import new_numbers
from attune.postgres.rows import read_all, read_one, read_value, read_values


class PostgresEventTables:
    """`EventTables` on one connection, whose transaction is the caller's."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def triggers(self, refs: Sequence[str]) -> Mapping[str, Trigger]:
        query = "SELECT id, ref, enabled, out_schema FROM trigger WHERE ref = ANY(%s)"
        return {row.ref: row for row in await read_all(self._connection, Trigger, query, (list(refs),))}

    async def rules(self, trigger_refs: Sequence[str]) -> Sequence[Rule]:
        if not await read_value(self._connection, "SELECT may_decide()"):
            return []  # the event waits for an operator's process
        held = """
            SELECT FROM rule AS r JOIN trigger AS t ON t.id = r.trigger
            WHERE t.ref = ANY(%s) AND r.enabled AND (r.overlap = 'skip' OR r.at_most_every_seconds IS NOT NULL)
            ORDER BY r.id FOR NO KEY UPDATE OF r
        """  # one event after the other, so that each sees what the one before has asked for
        await self._connection.execute(held, (list(trigger_refs),))
        query = """
            SELECT r.id, r.ref, r.action_ref, t.ref AS trigger_ref, r.conditions, r.action_params, a.param_schema,
                   p.ref AS pack_ref, p.config AS pack_config, coalesce(p.loaded -> 'rules' ? r.ref, false) AS declared,
                   r.overruns, r.paused, r.updated, r.priority
            FROM rule AS r JOIN trigger AS t ON t.id = r.trigger JOIN action AS a ON a.id = r.action
            JOIN pack AS p ON p.id = r.pack
            WHERE t.ref = ANY(%s) AND r.enabled ORDER BY r.ref
        """
        return await read_all(self._connection, _rule, query, (list(trigger_refs),))

    async def insert_events(self, events: Sequence[NewEvent]) -> Sequence[int]:
        rows = [asdict(event) for event in events]
        query = """
            INSERT INTO event (trigger, trigger_ref, payload, source, source_ref, pending)
            SELECT t.id, e.trigger_ref, e.payload, s.id, e.sensor_ref, NOT may_decide()
            FROM ROWS FROM (jsonb_to_recordset(%s::jsonb)
                AS (trigger_ref text, payload jsonb, sensor bigint, sensor_ref text)) WITH ORDINALITY AS e
            LEFT JOIN trigger AS t ON t.ref = e.trigger_ref LEFT JOIN sensor AS s ON s.id = e.sensor
            ORDER BY e.ordinality
            RETURNING id
        """
        return await self._insert(query, rows)

    async def insert_enforcements(self, enforcements: Sequence[NewEnforcement]) -> Sequence[int]:
        """Store *enforcements*; their ids, in their order. A rule that is gone meanwhile is named by its ref only."""
        rows = [
            {
                "rule": enforcement.rule.id,
                "rule_ref": enforcement.rule.ref,
                "trigger_ref": enforcement.trigger_ref,
                "config": enforcement.parameters if enforcement.reason is None else {"reason": enforcement.reason},
                "event": enforcement.event,
                "status": "processed" if enforcement.reason is None else "disabled",
                "payload": enforcement.payload,
                "conditions": enforcement.rule.conditions,
            }
            for enforcement in enforcements
        ]
        query = """
            INSERT INTO enforcement (rule, rule_ref, trigger_ref, config, event, status, payload, conditions)
            SELECT r.id, e.rule_ref, e.trigger_ref, e.config, e.event, e.status::enforcement_status_enum, e.payload,
                   e.conditions
            FROM ROWS FROM (jsonb_to_recordset(%s::jsonb) AS (rule bigint, rule_ref text, trigger_ref text,
                config jsonb, event bigint, status text, payload jsonb, conditions jsonb)) WITH ORDINALITY AS e
            LEFT JOIN rule AS r ON r.id = e.rule
            ORDER BY e.ordinality
            RETURNING id
        """
        return await self._insert(query, rows)

    async def fail_enforcement(self, enforcement: int, reason: str) -> None:
        query = "UPDATE enforcement SET status = 'disabled', config = %s WHERE id = %s"
        await self._connection.execute(query, (Jsonb({"reason": reason}), enforcement))

    async def store_breakers(self, states: Collection[tuple[Rule, BreakerState]]) -> None:
        rows = [{"id": rule.id, "read": str(rule.updated), **asdict(state)} for rule, state in states]
        query = """
            UPDATE rule AS r SET overruns = s.overruns, paused = s.paused
            FROM (SELECT s.* FROM rule JOIN jsonb_to_recordset(%s::jsonb)
                      AS s (id bigint, read timestamptz, overruns integer, paused text) ON s.id = rule.id
                  WHERE rule.updated = s.read ORDER BY rule.id FOR NO KEY UPDATE OF rule) AS s
            WHERE r.id = s.id
        """
        await self._connection.execute(query, (json.dumps(rows),))

    async def _insert(self, query: str, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        return sorted(await read_values(self._connection, query, (json.dumps(rows),)))


async def take_pending(connection: AsyncConnection[Any]) -> tuple[int, NewEvent] | None:
    """The oldest event whose rules wait for an operator's process, and its id; it waits no longer."""
    query = """
        UPDATE event SET pending = false
        WHERE id = (SELECT id FROM event WHERE pending ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id AS number, trigger_ref, payload, source AS sensor, source_ref AS sensor_ref
    """

    def pending(*, number: int, payload: Any, **columns: Any) -> tuple[int, NewEvent]:
        return number, NewEvent(payload=_object(payload), **columns)

    return await read_one(connection, pending, query)


# Rows of `rule` can have any number; such a time cannot be added to another.
_SKIPPED = """
    SELECT CASE WHEN greatest(r.delay_seconds, r.at_most_every_seconds) > %(most)s
        THEN 'delay, at_most_every: expected at most 8784h, got more' ELSE skipped_by_rule(%(enforcement)s) END
    FROM (SELECT) AS given
    LEFT JOIN rule AS r ON r.id = (SELECT f.rule FROM enforcement AS f WHERE f.id = %(enforcement)s)
"""


async def request_execution(connection: AsyncConnection[Any], firing: Firing, cipher: SecretCipher) -> int:
    """A row of table `execution` that waits, with the action as it is now; its id.

    Raises `UsageError` where the rule asks for none at present.
    """
    if why := await read_value(connection, _SKIPPED, {"enforcement": firing.enforcement, "most": LONGEST_SECONDS}):
        raise UsageError(why)
    query = f"""
        WITH versions AS ({KEEP_VERSIONS})
        INSERT INTO execution (id, action, action_ref, config, enforcement, sealed, given_priority, action_version,
            pack_digest, status, not_before)
        SELECT coalesce(%(id)s::bigint, nextval(pg_get_serial_sequence('execution', 'id'))), a.id, %(action)s,
               %(config)s, %(enforcement)s, %(sealed)s, %(priority)s, %(version)s, %(digest)s,
               CASE WHEN r.delay_seconds IS NULL THEN 'requested' ELSE 'scheduling' END::execution_status_enum,
               now() + r.delay_seconds * interval '1 second'
        FROM (SELECT) AS given LEFT JOIN action AS a ON a.ref = %(action)s
        LEFT JOIN rule AS r ON r.id = (SELECT f.rule FROM enforcement AS f WHERE f.id = %(enforcement)s)
        RETURNING id
    """
    action = (await actions_of(connection, [firing.action_ref])).get(firing.action_ref)
    values = with_defaults(action.param_schema if action else {}, firing.parameters)
    if action and action.is_workflow:
        raise UsageError(f"{action.ref}: {action.cannot_run}")
    if action and (faults := delivery_faults(action, values)):
        raise UsageError(faults=faults)
    hidden = to_encrypt(firing.secrets, values)
    number = (await new_numbers(connection, 1))[0] if hidden else None
    parameters = {
        "id": number,
        "action": firing.action_ref,
        "config": Jsonb({name: value for name, value in values.items() if name not in hidden}),
        "enforcement": firing.enforcement,
        "priority": firing.priority,
        "sealed": Jsonb(encrypted(cipher, hidden, number)) if number else None,
        "version": action.version if action else None,
        "digest": action.pack_digest if action else None,
        "versions": versions_of([action] if action else []),
    }
    return int(await read_value(connection, query, parameters))


def _rule(
    *, conditions: Any, action_params: Any, declared: bool, overruns: int, paused: str | None, **columns: Any
) -> Rule:
    for name in ("param_schema", "pack_config"):
        columns[name] = _object(columns[name])
    opening = opening_of(action_params, declared=declared)
    columns["breaker"] = BreakerState(overruns, paused)
    return Rule(**columns, conditions=_conditions(conditions), action_params=_object(action_params), opening=opening)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _conditions(value: Any) -> tuple[Any, ...]:
    """A list, empty for none; anything else is one condition, which its reader will refuse by name."""
    if isinstance(value, list):
        return tuple(value)
    return () if value is None or value == {} else (value,)
