"""The table `action`, read. The ref of an action's runtime stands beside it, so nothing reads the table `runtime`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attune.core.errors import UsageError
from attune.core.executions.action import Action, Delivery, OnLost
from attune.core.runtimes.aliases import nearest
from attune.postgres.rows import PostgresStore, Source, read_values

_OF_RUNTIME = "(SELECT r.name FROM worker_runtime AS r WHERE r.runtime_ref = {} ORDER BY r.worker DESC LIMIT 1)"
COLUMNS = f"""
    a.id, a.ref, a.pack_ref, a.label, a.description, a.entrypoint, a.runtime_row_ref AS runtime_ref,
    {_OF_RUNTIME.format("a.runtime_row_ref")} AS runtime,
    a.runtime_version_constraint AS version_constraint, a.requires, a.prefers, a.interpreter_args, a.param_schema,
    a.out_schema, a.parameter_delivery AS delivery, a.timeout_seconds, a.retries, a.retry_delay_seconds,
    a.retry_max_delay_seconds, a.grace_seconds, a.on_lost, a.result_file, a.priority, a.concurrency,
    a.is_workflow, a.paused_by AS paused, (SELECT p.digest FROM pack AS p WHERE p.id = a.pack) AS pack_digest
"""
# The content of each action that something was asked of: written once, never changed.
KEEP_VERSIONS = """
    INSERT INTO action_version (digest, action_ref, content)
    SELECT v.key, v.value ->> 'ref', v.value FROM jsonb_each(%(versions)s::jsonb) AS v
    WHERE NOT EXISTS (SELECT FROM action_version AS k WHERE k.digest = v.key) ORDER BY 1
    ON CONFLICT DO NOTHING
"""
VERSION = f"""
    (SELECT v.content || jsonb_build_object('runtime', {_OF_RUNTIME.format("v.content ->> 'runtime_ref'")},
         'priority', (SELECT a.priority FROM action AS a WHERE a.id = e.action))
     FROM action_version AS v WHERE v.digest = e.action_version)
"""
"""The action that the execution `e` was asked of, with the priority that it has now; NULL where it keeps none."""


class PostgresActions(PostgresStore):
    """`ActionReader` on PostgreSQL."""

    async def list(self, pack_ref: str | None = None) -> Sequence[Action]:
        query = f"""
            SELECT row_to_json(item)
            FROM (SELECT {COLUMNS} FROM action AS a WHERE %s::text IS NULL OR a.pack_ref = %s) AS item
        """
        actions = map(action_of, await read_values(self._pool, query, (pack_ref, pack_ref)))
        return sorted(actions, key=lambda action: action.ref)

    async def get(self, ref: str) -> Action:
        actions = await actions_of(self._pool, [ref])
        if ref in actions:
            return actions[ref]
        close = nearest(ref, await read_values(self._pool, "SELECT ref FROM action ORDER BY ref LIMIT 1000"))
        hint = f"did you mean {close}?" if close else "attune action list"
        raise UsageError(f"action: expected one that exists, got {ref!r}", hint=hint)


async def actions_of(source: Source, refs: Sequence[str]) -> dict[str, Action]:
    """The actions among *refs* that exist."""
    query = f"SELECT row_to_json(item) FROM (SELECT {COLUMNS} FROM action AS a WHERE a.ref = ANY(%s)) AS item"
    return {row["ref"]: action_of(row) for row in await read_values(source, query, (list(refs),))}


def versions_of(actions: Iterable[Action]) -> str:
    """The parameter `versions` of `KEEP_VERSIONS`."""
    return json.dumps({action.version: json.loads(action.content) for action in actions})


def action_of(row: Mapping[str, Any]) -> Action:
    """One row with the columns of `COLUMNS`."""
    read = {
        "description": row["description"] or "",
        "param_schema": _schema(row["param_schema"]),
        "out_schema": row["out_schema"] if isinstance(row["out_schema"], dict) else None,
        "delivery": Delivery(row["delivery"]),
        "on_lost": OnLost(row["on_lost"]),
    }
    lists = {name: row[name] or () for name in ("requires", "prefers", "interpreter_args")}
    texts = {name: tuple(one if isinstance(one, str) else json.dumps(one) for one in lists[name]) for name in lists}
    return Action(**{**row, **read, **texts})


def _schema(value: Any) -> dict[str, Any]:
    """*value* without what is no schema at first sight: earlier installations stored any JSON."""
    kinds = {"properties": dict, "required": list}
    kept = value.items() if isinstance(value, dict) else ()
    schema: dict[str, Any] = {name: one for name, one in kept if isinstance(one, kinds.get(name, object))}
    if known := schema.get("properties"):
        schema["properties"] = {name: one if isinstance(one, dict) else {} for name, one in known.items()}
    return schema
