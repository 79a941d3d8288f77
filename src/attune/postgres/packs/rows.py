"""The rows that a pack consists of: written where they differ, removed where nothing uses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier, Placeholder
from psycopg.types.json import Jsonb

from attune.core.errors import InUseError
from attune.core.executions.action import Action
from attune.core.packs.pack import Pack, PackChange, RuleDefinition, SensorDefinition, TriggerDefinition
from attune.core.runtimes.runtime import Runtime
from attune.postgres.rows import read_values

TABLES = {"runtimes": "runtime", "actions": "action", "triggers": "trigger", "sensors": "sensor", "rules": "rule"}
"""The table of each kind."""

_SHOWN = 10
USERS = {
    "runtime": """
        SELECT 'action ' || ref FROM action WHERE runtime = %(id)s
        UNION ALL SELECT 'sensor ' || ref FROM sensor WHERE runtime = %(id)s
        UNION ALL SELECT 'worker ' || name FROM worker WHERE runtime = %(id)s
        ORDER BY 1
    """,
    "trigger": """
        SELECT 'rule ' || ref FROM rule WHERE trigger = %(id)s
        UNION ALL SELECT 'sensor ' || ref FROM sensor WHERE trigger = %(id)s
        ORDER BY 1
    """,
    "action": """
        SELECT 'rule ' || ref FROM rule WHERE action = %(id)s
        UNION ALL
        SELECT 'execution ' || id || ', which is ' || status FROM execution
        WHERE action = %(id)s AND status NOT IN ('completed', 'failed', 'cancelled', 'timeout', 'abandoned')
        ORDER BY 1
    """,
}
"""Queries by table: who uses the row `id`, in words.

A sensor is deleted with its runtime and its trigger without an error, so they are run before every delete.
"""


@dataclass(frozen=True, slots=True)
class PackRow:
    """A row that a pack brings: its values by column, and for what can be switched whether the pack wants it on."""

    kind: str
    ref: str
    values: dict[str, Any]
    enabled: bool | None = None


def rows_of(pack: Pack, pack_id: int, ids: Mapping[tuple[str, str], int]) -> Iterator[PackRow]:
    """The rows of *pack* by kind. *ids* gives, when a row is asked for, the ids of all that it refers to."""
    owner = {"pack": pack_id, "pack_ref": pack.ref}
    for runtime in pack.runtimes:
        yield PackRow("runtimes", runtime.ref, {**owner, **_runtime(runtime)})
    for action in pack.actions:
        yield PackRow("actions", action.ref, {**owner, **_action(action, ids)})
    for trigger in pack.triggers:
        yield PackRow("triggers", trigger.ref, {**owner, **_trigger(trigger)}, trigger.enabled)
    for sensor in pack.sensors:
        yield PackRow("sensors", sensor.ref, {**owner, **_sensor(sensor, ids)}, sensor.enabled)
    for rule in pack.rules:
        yield PackRow("rules", rule.ref, {**owner, **_rule(rule, ids)}, rule.enabled)


async def write_row(
    connection: AsyncConnection[Any], table: str, ref: str, values: Mapping[str, Any]
) -> PackChange | None:
    """Insert or update the row *ref*, None if it is as it should be already."""
    columns = [Identifier(name) for name in values]
    query = SQL(
        """
        INSERT INTO {table} AS t (ref, {columns}) VALUES (%(ref)s, {values})
        ON CONFLICT (ref) DO UPDATE SET {changes}
        WHERE ({old}) IS DISTINCT FROM ({new})
        RETURNING (xmax = 0)
        """
    ).format(
        table=Identifier(table),
        columns=SQL(", ").join(columns),
        values=SQL(", ").join(Placeholder(name) for name in values),
        changes=SQL(", ").join(SQL("{0} = excluded.{0}").format(column) for column in columns),
        old=SQL(", ").join(SQL("t.{}").format(column) for column in columns),
        new=SQL(", ").join(SQL("excluded.{}").format(column) for column in columns),
    )
    cursor = await connection.execute(query, {"ref": ref, **values})
    row = await cursor.fetchone()
    return None if row is None else PackChange(table, ref, "added" if row[0] else "changed")


async def remove_rows(
    connection: AsyncConnection[Any], kind: str, refs: Sequence[str], pack_id: int
) -> list[PackChange]:
    """Delete the rows *refs* of a pack. Raises `InUseError` that names what uses one of them.

    Finished executions of an action keep its ref and lose their link to it.
    """
    table = TABLES[kind]
    query = SQL("SELECT id, ref FROM {} WHERE ref = ANY(%s) AND pack = %s ORDER BY ref FOR UPDATE").format(
        Identifier(table)
    )
    rows = await (await connection.execute(query, (list(refs), pack_id))).fetchall()
    for number, ref in rows:
        if table in USERS:
            users = await read_values(connection, USERS[table], {"id": number})
            if users:
                more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
                raise InUseError(
                    f"{table} {ref}: expected that nothing uses what is removed, got {', '.join(users[:_SHOWN])}{more}",
                    hint="remove or change what uses it first",
                )
        if table == "action":
            await connection.execute("UPDATE execution SET action = NULL WHERE action = %s", (number,))
        await connection.execute(SQL("DELETE FROM {} WHERE id = %s").format(Identifier(table)), (number,))
    return [PackChange(table, ref, "removed") for _, ref in rows]


def _json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def _runtime(runtime: Runtime) -> dict[str, Any]:
    return {
        "name": runtime.name,
        "description": runtime.description,
        "distributions": Jsonb(runtime.distributions),
        "installation": _json(runtime.installation),
    }


def _trigger(trigger: TriggerDefinition) -> dict[str, Any]:
    return {
        "label": trigger.label,
        "description": trigger.description,
        "param_schema": Jsonb(trigger.param_schema),
        "out_schema": _json(trigger.out_schema),
        "is_adhoc": False,
    }


def _action(action: Action, ids: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    return {
        "label": action.label,
        "description": action.description,
        "entrypoint": action.entrypoint,
        "runtime": ids["runtimes", action.runtime_ref] if action.runtime_ref else None,
        "runtime_version_constraint": action.version_constraint,
        "requires": Jsonb(action.requires),
        "prefers": Jsonb(action.prefers),
        "interpreter_args": Jsonb(action.interpreter_args),
        "param_schema": Jsonb(action.param_schema),
        "out_schema": _json(action.out_schema),
        "parameter_delivery": action.delivery.value,
        "timeout_seconds": action.timeout_seconds,
        "retries": action.retries,
        "retry_delay_seconds": action.retry_delay_seconds,
        "on_lost": action.on_lost.value,
        "result_file": action.result_file,
        "is_adhoc": False,
    }


def _sensor(sensor: SensorDefinition, ids: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    return {
        "label": sensor.label,
        "description": sensor.description,
        "entrypoint": sensor.entrypoint,
        "runtime": ids["runtimes", sensor.runtime_ref],
        "runtime_ref": sensor.runtime_ref,
        "runtime_version_constraint": sensor.version_constraint,
        "trigger": ids["triggers", sensor.trigger_ref],
        "trigger_ref": sensor.trigger_ref,
        "requires": Jsonb(sensor.requires),
        "interpreter_args": Jsonb(sensor.interpreter_args),
        "param_schema": Jsonb(sensor.param_schema),
        "config": Jsonb(sensor.config),
    }


def _rule(rule: RuleDefinition, ids: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    return {
        "label": rule.label,
        "description": rule.description,
        "action": ids["actions", rule.action_ref],
        "action_ref": rule.action_ref,
        "trigger": ids["triggers", rule.trigger_ref],
        "trigger_ref": rule.trigger_ref,
        "conditions": Jsonb(rule.conditions),
        "action_params": Jsonb(rule.action_params),
        "is_adhoc": False,
    }
