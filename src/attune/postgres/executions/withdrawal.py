"""Executions cancelled: those that are named, and those that wait for what a pack has no more."""

import json
from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection

from attune.core.executions.action import Action
from attune.core.packs.pack import PackChange
from attune.postgres.rows import read_pairs
from attune.queue import jobs

CANCELS = "attune_cancel"


def cancelling(asked: str) -> str:
    """A statement that cancels, for `reason`, what the query *asked* gives and locks: `id` and `job`."""
    return f"""
        WITH asked AS ({asked}), changed AS (
            UPDATE execution AS e SET
                status = CASE WHEN e.status = 'running' THEN 'canceling' ELSE 'cancelled' END::execution_status_enum,
                reason = coalesce(%(reason)s, e.reason), job = NULL,
                finished_at = CASE WHEN e.status = 'running' THEN NULL ELSE now() END
            FROM asked WHERE e.id = asked.id AND e.status IN ('requested', 'scheduling', 'scheduled', 'running')
            RETURNING e.id, e.status, asked.job
        ), gone AS (
            {jobs.remove("SELECT job FROM changed")}
        ), told AS (
            SELECT id, CASE WHEN status = 'canceling' THEN pg_notify('{CANCELS}', id::text) END FROM changed
        )
        SELECT changed.id, status::text FROM changed JOIN told ON told.id = changed.id ORDER BY 1
    """


_CANCEL = cancelling("""
    SELECT e.id, e.job FROM execution AS e JOIN action AS a ON a.id = e.action
    LEFT JOIN jsonb_to_recordset(%(actions)s::jsonb) AS n (id bigint, version text, digest text) ON n.id = a.id
    WHERE a.pack = %(pack)s AND e.policy IS NOT NULL AND e.status IN ('requested', 'scheduling', 'scheduled')
      AND (n.id IS NULL OR coalesce(e.action_version <> n.version, e.pack_digest <> n.digest))
    ORDER BY e.id FOR UPDATE OF e
""")
_REASON = "cancelled: its pack was loaded again or removed, and whoever did it wanted nothing old to run"


async def cancel_old(connection: AsyncConnection[Any], pack_id: int, actions: Mapping[str, Action]) -> list[PackChange]:
    """Cancel what waits for an action of the pack that is not among *actions*, or was asked of another content."""
    rows = [{"id": action.id, "version": action.version, "digest": action.pack_digest} for action in actions.values()]
    parameters = {"pack": pack_id, "actions": json.dumps(rows), "reason": _REASON}
    cancelled = await read_pairs(connection, _CANCEL, parameters)
    return [PackChange("execution", str(number), "cancelled") for number in cancelled]
