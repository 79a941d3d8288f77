"""Column `lost_at` of `worker_runtime`: how many live nodes lose the same runtime within minutes, or only keep it."""

from collections.abc import Collection, Sequence

from attune.core.nodes.fleet_losses import WINDOW_SECONDS, RuntimeLoss
from attune.postgres.rows import PostgresStore, Source, execute, read_all

_OFFERED = "r.status IN ('available', 'declared', 'assumed')"
_LATELY = f"r.lost_at > now() - {WINDOW_SECONDS:.0f} * interval '1 second'"
_LOSSES = f"""
    SELECT n.role, r.runtime_ref AS ref, min(r.name) AS name,
           (SELECT count(*) FROM node AS l WHERE l.is_live AND l.role = n.role) AS live,
           count(*) FILTER (WHERE {_OFFERED} OR {_LATELY}) AS nodes,
           count(*) FILTER (WHERE r.lost_at IS NOT NULL AND {_OFFERED} OR {_LATELY}) AS losing,
           count(*) FILTER (WHERE r.lost_at IS NOT NULL AND {_OFFERED}) AS kept
    FROM node AS n JOIN worker_runtime AS r ON r.worker = n.id
    WHERE n.is_live AND {{}} GROUP BY n.role, r.runtime_ref ORDER BY n.role, r.runtime_ref
"""
_OF_NODE = "r.runtime_ref = ANY(%(refs)s) AND n.role = (SELECT role FROM node WHERE id = %(id)s)"
_OF_ALL = "r.runtime_ref IN (SELECT runtime_ref FROM worker_runtime WHERE lost_at IS NOT NULL)"


class PostgresFleetLosses(PostgresStore):
    """`FleetLosses` on PostgreSQL. Who counts has committed its own loss before, so the last one sees them all."""

    async def note_losing(self, node_id: int, refs: Collection[str]) -> Sequence[RuntimeLoss]:
        asked = {"id": node_id, "refs": list(refs)}
        query = f"""
            UPDATE worker_runtime AS r SET lost_at = now()
            WHERE worker = %(id)s AND runtime_ref = ANY(%(refs)s) AND lost_at IS NULL AND {_OFFERED}
        """
        await execute(self._pool, query, asked)
        return await read_all(self._pool, RuntimeLoss, _LOSSES.format(_OF_NODE), asked)

    async def list_losses(self) -> Sequence[RuntimeLoss]:
        return await read_losses(self._pool)


async def read_losses(source: Source) -> Sequence[RuntimeLoss]:
    """What is lost or kept at present, by role and ref."""
    return [loss for loss in await read_all(source, RuntimeLoss, _LOSSES.format(_OF_ALL)) if loss.losing]
