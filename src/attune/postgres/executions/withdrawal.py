"""Executions that wait for what a pack has no more, cancelled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection

from attune.core.executions.action import Action
from attune.core.packs.pack import PackChange
from attune.postgres.rows import read_values
from attune.queue import jobs

_CANCEL = f"""
    WITH now_there AS (
        SELECT * FROM jsonb_to_recordset(%(actions)s::jsonb) AS g (id bigint, version text, digest text)
    ), old AS (
        SELECT e.id, e.job FROM execution AS e JOIN action AS a ON a.id = e.action
        LEFT JOIN now_there AS n ON n.id = a.id
        WHERE a.pack = %(pack)s AND e.policy IS NOT NULL AND e.status IN ('requested', 'scheduling', 'scheduled')
          AND (n.id IS NULL OR coalesce(e.action_version <> n.version, e.pack_digest <> n.digest))
        ORDER BY e.id FOR UPDATE OF e
    ), changed AS (
        UPDATE execution AS e SET status = 'cancelled', job = NULL, finished_at = now(),
            reason = 'cancelled: its pack was loaded again or removed, and whoever did it wanted nothing old to run'
        FROM old WHERE e.id = old.id RETURNING e.id, old.job
    ), gone AS (
        {jobs.remove("SELECT job FROM changed")}
    )
    SELECT id FROM changed ORDER BY id
"""


async def cancel_old(connection: AsyncConnection[Any], pack_id: int, actions: Mapping[str, Action]) -> list[PackChange]:
    """Cancel what waits for an action of the pack that is not among *actions*, or was asked of another content."""
    rows = [{"id": action.id, "version": action.version, "digest": action.pack_digest} for action in actions.values()]
    cancelled = await read_values(connection, _CANCEL, {"pack": pack_id, "actions": json.dumps(rows)})
    return [PackChange("execution", str(number), "cancelled") for number in cancelled]
