"""Events, and what rules made of them: the tables `event`, `enforcement`, `rule` and `trigger`, for reacting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.events.event import Trigger
from attune.core.events.rule import Firing, NewEnforcement, Rule
from attune.core.events.template import opening_of
from attune.core.sensors.event_line import NewEvent
from attune.postgres.json_values import tolerate


class PostgresEventTables:
    """`EventTables` on one connection, whose transaction is the caller's."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def triggers(self, refs: Sequence[str]) -> Mapping[str, Trigger]:
        rows = await self._rows("SELECT id, ref, enabled, out_schema FROM trigger WHERE ref = ANY(%s)", (list(refs),))
        return {ref: Trigger(number, ref, enabled, _object(schema)) for number, ref, enabled, schema in rows}

    async def rules(self, trigger_refs: Sequence[str]) -> Sequence[Rule]:
        rows = await self._rows(
            """
            SELECT r.id, r.ref, r.action_ref, t.ref, r.conditions, r.action_params, a.param_schema, p.ref, p.config,
                   coalesce(p.loaded -> 'rules' ? r.ref, false)
            FROM rule AS r JOIN trigger AS t ON t.id = r.trigger JOIN action AS a ON a.id = r.action
            JOIN pack AS p ON p.id = r.pack
            WHERE t.ref = ANY(%s) AND r.enabled ORDER BY r.ref
            """,
            (list(trigger_refs),),
        )
        return [
            Rule(
                number,
                ref,
                action_ref,
                trigger_ref,
                _conditions(conditions),
                _object(parameters) or {},
                _object(schema) or {},
                pack_ref,
                _object(config) or {},
                opening_of(parameters, declared=loaded),
            )
            for number, ref, action_ref, trigger_ref, conditions, parameters, schema, pack_ref, config, loaded in rows
        ]

    async def insert_events(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """Store *events*; their ids, in their order."""
        given = [
            {"trigger_ref": one.trigger_ref, "payload": one.payload, "source": one.sensor, "source_ref": one.sensor_ref}
            for one in events
        ]
        rows = await self._rows(
            """
            INSERT INTO event (trigger, trigger_ref, payload, source, source_ref)
            SELECT t.id, e.trigger_ref, e.payload, s.id, e.source_ref
            FROM ROWS FROM (jsonb_to_recordset(%s::jsonb)
                AS (trigger_ref text, payload jsonb, source bigint, source_ref text)) WITH ORDINALITY
                AS e (trigger_ref, payload, source, source_ref, place)
            LEFT JOIN trigger AS t ON t.ref = e.trigger_ref LEFT JOIN sensor AS s ON s.id = e.source
            ORDER BY e.place
            RETURNING id
            """,
            (json.dumps(given),),
        )
        return sorted(row[0] for row in rows)

    async def insert_enforcements(self, enforcements: Sequence[NewEnforcement]) -> Sequence[int]:
        """Store *enforcements*; their ids, in their order. A rule that is gone meanwhile is named by its ref only."""
        given = [
            {
                "rule": one.rule.id,
                "rule_ref": one.rule.ref,
                "trigger_ref": one.trigger_ref,
                "config": one.parameters if one.reason is None else {"reason": one.reason},
                "event": one.event,
                "status": "processed" if one.reason is None else "disabled",
                "payload": one.payload,
                "conditions": one.rule.conditions,
            }
            for one in enforcements
        ]
        rows = await self._rows(
            """
            INSERT INTO enforcement (rule, rule_ref, trigger_ref, config, event, status, payload, conditions)
            SELECT r.id, e.rule_ref, e.trigger_ref, e.config, e.event, e.status::enforcement_status_enum, e.payload,
                   e.conditions
            FROM ROWS FROM (jsonb_to_recordset(%s::jsonb) AS (rule bigint, rule_ref text, trigger_ref text,
                config jsonb, event bigint, status text, payload jsonb, conditions jsonb)) WITH ORDINALITY
                AS e (rule, rule_ref, trigger_ref, config, event, status, payload, conditions, place)
            LEFT JOIN rule AS r ON r.id = e.rule
            ORDER BY e.place
            RETURNING id
            """,
            (json.dumps(given),),
        )
        return sorted(row[0] for row in rows)

    async def fail_enforcement(self, enforcement: int, reason: str) -> None:
        """Note that no execution came of it, and why."""
        await self._connection.execute(
            "UPDATE enforcement SET status = 'disabled', config = %s WHERE id = %s",
            (Jsonb({"reason": reason}), enforcement),
        )

    async def _rows(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        async with self._connection.cursor() as cursor:
            tolerate(cursor)
            await cursor.execute(query.encode(), parameters)
            return await cursor.fetchall()


async def request_execution(connection: AsyncConnection[Any], firing: Firing) -> int:
    """A row of table `execution` that waits, as earlier versions wrote it; its id."""
    cursor = await connection.execute(
        """
        INSERT INTO execution (action, action_ref, config, enforcement)
        SELECT a.id, %(action)s, %(config)s, %(enforcement)s
        FROM (SELECT) AS one LEFT JOIN action AS a ON a.ref = %(action)s
        RETURNING id
        """,
        {"action": firing.action_ref, "config": Jsonb(firing.parameters), "enforcement": firing.enforcement},
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _conditions(value: Any) -> tuple[Any, ...]:
    """A list, empty for none; anything else is one condition, which its reader will refuse by name."""
    if isinstance(value, list):
        return tuple(value)
    return () if value is None or value == {} else (value,)
