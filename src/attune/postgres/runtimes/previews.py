"""What a change of a definition is compared with: the nodes that would verify it, and the work that uses it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from attune.core.runtimes.preview import AffectedWork, PreviewCandidate
from attune.core.runtimes.verdict import Status
from attune.postgres.connection import Pool, translated

_ROLE = "CASE w.worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END"
_LIVE = "w.status IN ('active', 'busy', 'draining')"
_UNFINISHED = "('requested', 'scheduling', 'scheduled', 'running', 'canceling')"


class PostgresPreviews:
    """Reads what a preview needs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def live(self, roles: Collection[str]) -> int:
        """How many nodes of *roles* live."""
        rows = await self._rows(f"SELECT count(*) FROM worker AS w WHERE {_LIVE} AND {_ROLE} = ANY(%s)", list(roles))
        return int(rows[0][0])

    async def candidates(self, ref: str, roles: Collection[str], most: int) -> Sequence[PreviewCandidate]:
        """Live nodes of *roles*, by name: of more than *most*, some of each status and version of the runtime *ref*."""
        return await self._candidates(
            f"""
            SELECT id, name, role, status, version FROM (
                SELECT w.id, w.name, {_ROLE} AS role, r.status, r.version,
                       row_number() OVER (PARTITION BY r.status, r.version ORDER BY w.id) AS turn
                FROM worker AS w LEFT JOIN worker_runtime AS r ON r.worker = w.id AND r.runtime_ref = %s
                WHERE {_LIVE} AND {_ROLE} = ANY(%s) ORDER BY turn, w.id LIMIT %s) AS one
            ORDER BY name, id
            """,
            ref,
            list(roles),
            most,
        )

    async def named(self, ref: str, nodes: Sequence[int]) -> Sequence[PreviewCandidate]:
        """Those of *nodes* that exist, whatever their state, by name."""
        return await self._candidates(
            f"""
            SELECT w.id, w.name, {_ROLE}, r.status, r.version
            FROM worker AS w LEFT JOIN worker_runtime AS r ON r.worker = w.id AND r.runtime_ref = %s
            WHERE w.id = ANY(%s) ORDER BY w.name, w.id
            """,
            ref,
            list(nodes),
        )

    async def find(self, node: int | str) -> tuple[PreviewCandidate, bool] | None:
        """The node of that id or name, a worker rather than a sensor, and whether it lives."""
        column = "w.id" if isinstance(node, int) else "w.name"
        rows = await self._rows(
            f"SELECT w.id, w.name, {_ROLE}, coalesce({_LIVE}, false) FROM worker AS w WHERE {column} = %s"
            " ORDER BY w.worker_role::text = 'sensor' LIMIT 1",
            node,
        )
        if not rows:
            return None
        number, name, role, lives = rows[0]
        return PreviewCandidate(number, name, role, None, None), lives

    async def touched(self, ref: str) -> AffectedWork:
        """What uses the runtime *ref*."""
        actions = await self._rows(
            "SELECT a.ref FROM action AS a JOIN runtime AS r ON r.id = a.runtime WHERE r.ref = %s ORDER BY 1", ref
        )
        sensors = await self._rows("SELECT ref FROM sensor WHERE runtime_ref = %s ORDER BY 1", ref)
        executions = await self._rows(
            f"""
            SELECT e.status::text, count(*) FROM execution AS e
            JOIN action AS a ON a.id = e.action JOIN runtime AS r ON r.id = a.runtime
            WHERE r.ref = %s AND e.status::text IN {_UNFINISHED} GROUP BY 1 ORDER BY 1
            """,
            ref,
        )
        return AffectedWork([one for (one,) in actions], [one for (one,) in sensors], dict(executions))

    async def _candidates(self, query: str, *parameters: Any) -> Sequence[PreviewCandidate]:
        return [
            PreviewCandidate(number, name, role, Status(status) if status else None, version)
            for number, name, role, status, version in await self._rows(query, *parameters)
        ]

    async def _rows(self, query: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        with translated():
            async with self._pool.connection() as connection:
                return await (await connection.execute(query.encode(), parameters)).fetchall()
