"""What a change of a definition is compared with: the nodes that would verify it, and the work that uses it."""

from collections.abc import Collection, Sequence

from attune.core.runtimes.preview import AffectedWork, PreviewCandidate
from attune.postgres.rows import PostgresStore, read_all, read_one, read_pairs, read_value, read_values

_UNFINISHED = "('requested', 'scheduling', 'scheduled', 'running', 'canceling')"
_CANDIDATES = """
    SELECT n.id, n.name, n.role, n.answers, r.status, r.version
    FROM node AS n LEFT JOIN worker_runtime AS r ON r.worker = n.id AND r.runtime_ref = %s
"""


class PostgresPreviews(PostgresStore):
    """`PreviewReader` on PostgreSQL."""

    async def live(self, roles: Collection[str]) -> int:
        query = "SELECT count(*) FROM node WHERE answers AND role = ANY(%s)"
        return int(await read_value(self._pool, query, (list(roles),)))

    async def candidates(self, ref: str, roles: Collection[str], most: int) -> Sequence[PreviewCandidate]:
        query = f"""
            SELECT id, name, role, answers, status, version FROM (
                SELECT *, row_number() OVER (PARTITION BY status, version ORDER BY id) AS turn FROM ({_CANDIDATES}) AS c
                WHERE answers AND role = ANY(%s) ORDER BY turn, id LIMIT %s) AS chosen
            ORDER BY name, id
        """
        return await read_all(self._pool, PreviewCandidate, query, (ref, list(roles), most))

    async def named(self, ref: str, nodes: Sequence[int]) -> Sequence[PreviewCandidate]:
        query = f"{_CANDIDATES} WHERE n.id = ANY(%s) ORDER BY n.name, n.id"
        return await read_all(self._pool, PreviewCandidate, query, (ref, list(nodes)))

    async def find(self, node: int | str) -> PreviewCandidate | None:
        column = "id" if isinstance(node, int) else "name"
        query = f"SELECT id, name, role, answers FROM node WHERE {column} = %s ORDER BY role DESC LIMIT 1"
        return await read_one(self._pool, PreviewCandidate, query, (node,))

    async def touched(self, ref: str) -> AffectedWork:
        actions = "SELECT a.ref FROM action AS a JOIN runtime AS r ON r.id = a.runtime WHERE r.ref = %s ORDER BY 1"
        executions = f"""
            SELECT e.status::text, count(*) FROM execution AS e
            JOIN action AS a ON a.id = e.action JOIN runtime AS r ON r.id = a.runtime
            WHERE r.ref = %s AND e.status::text IN {_UNFINISHED} GROUP BY 1 ORDER BY 1
        """
        return AffectedWork(
            await read_values(self._pool, actions, (ref,)),
            await read_values(self._pool, "SELECT ref FROM sensor WHERE runtime_ref = %s ORDER BY 1", (ref,)),
            await read_pairs(self._pool, executions, (ref,)),
        )
