"""The rows that a pack consists of: written where they differ, removed where nothing uses them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.errors import InUseError
from attune.core.executions.action import Action
from attune.core.packs.pack import KINDS, Pack, PackChange, RuleDefinition, TriggerDefinition
from attune.postgres.rows import execute, read_pairs, read_value, read_values

TABLES = {"runtimes": "runtime", "actions": "action", "triggers": "trigger", "sensors": "sensor", "rules": "rule"}
"""The table of each kind."""
REFERRED = ("runtime", "action", "trigger")
"""The tables whose rows others refer to, each as `<table>_ref`."""

_COLUMNS = {
    "runtimes": "name description distributions installation",
    "actions": "label description entrypoint requires prefers interpreter_args param_schema out_schema timeout_seconds"
    " retries retry_delay_seconds retry_max_delay_seconds grace_seconds result_file priority concurrency",
    "triggers": "label description param_schema out_schema",
    "sensors": "label description entrypoint runtime_ref trigger_ref requires interpreter_args param_schema config",
    "rules": "label description action_ref trigger_ref conditions action_params priority overlap at_most_every_seconds"
    " delay_seconds",
}
_JSON = frozenset(
    {"distributions", "installation", "requires", "prefers", "interpreter_args", "param_schema", "out_schema"}
    | {"config", "conditions", "action_params"}
)
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
    for kind in KINDS:
        for item in getattr(pack, kind):
            values = {name: getattr(item, name) for name in _COLUMNS[kind].split()}
            values |= {name: Jsonb(values[name]) for name in _JSON & values.keys() if values[name] is not None}
            values |= {"pack": pack_id, "pack_ref": pack.ref, **_further(item, ids)}
            yield PackRow(kind, item.ref, values, getattr(item, "enabled", None))


def _further(item: Any, ids: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """The columns whose name or value is not that of the attribute."""
    refs = {name: getattr(item, f"{name}_ref") for name in REFERRED if hasattr(item, f"{name}_ref")}
    further: dict[str, Any] = {name: ids[f"{name}s", ref] if ref else None for name, ref in refs.items()}
    if hasattr(item, "version_constraint"):
        further["runtime_version_constraint"] = item.version_constraint
    if isinstance(item, Action):
        further |= {"parameter_delivery": item.delivery.value, "on_lost": item.on_lost.value}
    return further | ({"is_adhoc": False} if isinstance(item, Action | TriggerDefinition | RuleDefinition) else {})


async def write_row(
    connection: AsyncConnection[Any], table: str, ref: str, values: Mapping[str, Any]
) -> PackChange | None:
    """Insert or update the row *ref*, None if it is as it should be already."""
    columns = ", ".join(values)
    query = f"""
        INSERT INTO {table} AS t (ref, {columns}) VALUES (%(ref)s, {", ".join(f"%({name})s" for name in values)})
        ON CONFLICT (ref) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in values)}
        WHERE ({", ".join(f"t.{name}" for name in values)}) IS DISTINCT FROM
              ({", ".join(f"excluded.{name}" for name in values)})
        RETURNING xmax = 0
    """
    is_new = await read_value(connection, query, {"ref": ref, **values})
    return None if is_new is None else PackChange(table, ref, "added" if is_new else "changed")


async def remove_rows(
    connection: AsyncConnection[Any], kind: str, refs: Sequence[str], pack_id: int
) -> list[PackChange]:
    """Delete the rows *refs* of a pack. Raises `InUseError` that names what uses one of them.

    Finished executions of an action keep its ref and lose their link to it.
    """
    table = TABLES[kind]
    query = f"SELECT id, ref FROM {table} WHERE ref = ANY(%s) AND pack = %s ORDER BY ref FOR UPDATE"
    rows = await read_pairs(connection, query, (list(refs), pack_id))
    for number, ref in rows.items():
        if table in USERS:
            users = await read_values(connection, USERS[table], {"id": number})
            if users:
                more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
                raise InUseError(
                    f"{table} {ref}: expected that nothing uses what is removed, got {', '.join(users[:_SHOWN])}{more}",
                    hint="remove or change what uses it first; --cancel-waiting cancels executions that wait",
                )
        if table == "action":
            await connection.execute("UPDATE execution SET action = NULL WHERE action = %s", (number,))
        await execute(connection, f"DELETE FROM {table} WHERE id = %s", (number,))
    return [PackChange(table, ref, "removed") for ref in rows.values()]
