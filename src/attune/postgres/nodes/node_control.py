"""The life of nodes as the database sees it: overdue heartbeats, and what operators ask of a node.

All times are the database's, so hosts whose clocks are wrong change nothing.
"""

from dataclasses import asdict

from attune.core.errors import UsageError
from attune.core.ports.nodes import Overdue
from attune.postgres.rows import PostgresStore, execute, read_value

CHANNEL = "attune_node"
_LIVE = "('active', 'busy', 'starting', 'draining', 'degraded', 'stale')"


class PostgresNodeControl(PostgresStore):
    """`NodeLifecycle` on PostgreSQL."""

    async def mark_overdue(self, rules: Overdue, judge: int) -> int:
        """Mark nodes `stale` and then `lost` by how long they alone were not heard of; how many changed.

        Of all who call, one looks each `rules.look_every` seconds. For `rules.amnesty` seconds after the server itself
        has started nobody is marked: no node could have reached it. Time in which no node was heard of counts against
        nobody. A node's own login marks by the limits that an operator's session left.
        """
        query = "SELECT mark_overdue(%(stale_after)s, %(lost_after)s, %(amnesty)s, %(look_every)s, %(judge)s)"
        return int(await read_value(self._pool, query, {**asdict(rules), "judge": judge}))

    async def drain(self, node_id: int) -> bool:
        return await self._ask(f"status = 'draining' WHERE status IN {_LIVE}", node_id)

    async def resume(self, node_id: int) -> bool:
        change = "status = CASE status WHEN 'draining' THEN 'active' ELSE status END, meta = meta - 'drain_reason'"
        return await self._ask(f"{change} WHERE status IN {_LIVE}", node_id)

    async def reload(self, node_id: int) -> bool:
        change = (
            "meta = coalesce(meta, '{}') || jsonb_build_object('reloads', 1 +"
            " CASE WHEN meta->>'reloads' ~ '^[0-9]{1,8}$' THEN (meta->>'reloads')::int ELSE 0 END)"
            f" WHERE status IN {_LIVE}"
        )
        return await self._ask(change, node_id)

    async def remove(self, node_id: int, *, force: bool = False) -> None:
        gone = "" if force else "AND (status IS NULL OR status IN ('inactive', 'lost', 'error'))"
        if not await execute(self._pool, f"DELETE FROM worker WHERE id = %s {gone}", (node_id,)):
            raise UsageError(
                "expected a node that is inactive or lost, got one that runs", hint="stop it, or use --force"
            )

    async def _ask(self, change: str, node_id: int) -> bool:
        query = f"UPDATE worker SET {change} AND id = %s RETURNING pg_notify('{CHANNEL}', id::text)"
        return bool(await execute(self._pool, query, (node_id,)))
