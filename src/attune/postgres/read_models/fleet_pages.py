"""`FleetPages` on PostgreSQL: the fleet as a matrix of nodes and runtimes, its figures, and where each runtime is."""

from collections.abc import Mapping, Sequence

from attune.core.nodes.role import Role
from attune.core.ports.read_models import (
    FleetFigures,
    FleetMatrix,
    MatrixColumn,
    MatrixRow,
    NodeFilter,
    RuntimeCounts,
    UnservedDemand,
)
from attune.core.runtimes.verdict import Status
from attune.postgres.read_models.metrics import PostgresMetrics
from attune.postgres.read_models.node_pages import OFFERED, condition_of
from attune.postgres.rows import read_all, read_pairs, read_value, transaction

_UNSERVED = """
    SELECT requirement, count(*)::int AS executions, min(created) AS since
    FROM execution AS e WHERE status = 'requested' AND policy IS NOT NULL AND requirement IS NOT NULL
    GROUP BY queue, requirement
    HAVING NOT EXISTS (SELECT FROM worker_class AS c JOIN node AS n ON n.id = c.worker
                       WHERE c.queue = e.queue AND n.takes_work)
"""


class PostgresFleetPages(PostgresMetrics):
    """`FleetPages` on PostgreSQL."""

    async def matrix(
        self, role: Role, wanted: NodeFilter, *, group: str = "", skip: int = 0, limit: int = 200
    ) -> FleetMatrix:
        async with transaction(self._pool) as connection:
            condition, parameters = await condition_of(connection, role, wanted)
            total = await read_value(connection, f"SELECT count(*) FROM node AS n WHERE {condition}", parameters)
            columns = f"""
                SELECT name, sum(nodes)::int AS offered,
                       coalesce(json_object_agg(version, nodes ORDER BY nodes DESC, version)
                                FILTER (WHERE version <> ''), '{{}}') AS versions
                FROM (SELECT r.name, coalesce(r.version, '') AS version, count(*) AS nodes
                      FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
                      WHERE r.status IN {OFFERED} AND {condition} GROUP BY 1, 2) AS counted
                GROUP BY name ORDER BY 2 DESC, 1
            """
            rows = f"""
                SELECT n.id, n.name, n.status, n.capabilities -> 'labels' ->> %(group)s AS "group",
                       (SELECT coalesce(json_object_agg(r.name, json_build_array(r.status, r.version, r.runtime_ref)
                                ORDER BY r.status IN {OFFERED}), '{{}}')
                        FROM worker_runtime AS r WHERE r.worker = n.id) AS cells
                FROM node AS n WHERE {condition} ORDER BY 4, n.name, n.id OFFSET %(skip)s LIMIT %(limit)s
            """
            labels = f"""
                SELECT key, json_object_agg(value, nodes ORDER BY nodes DESC, value)
                FROM (SELECT key, value, count(*) AS nodes FROM node AS n, jsonb_each_text(CASE jsonb_typeof(
                          n.capabilities -> 'labels') WHEN 'object' THEN n.capabilities -> 'labels' END)
                      WHERE value IS NOT NULL AND {condition} GROUP BY 1, 2) AS c
                GROUP BY key ORDER BY key LIMIT 100
            """
            shown = {**parameters, "group": group, "skip": skip, "limit": limit}
            return FleetMatrix(
                total,
                await read_all(connection, MatrixColumn, columns, parameters),
                await read_all(connection, MatrixRow, rows, shown),
                await read_pairs(connection, labels, parameters),
            )

    async def unserved(self, limit: int) -> Sequence[UnservedDemand]:
        return await read_all(self._pool, UnservedDemand, f"{_UNSERVED} ORDER BY 2 DESC, 3 LIMIT %s", (limit,))

    async def figures(self) -> FleetFigures:
        query = f"""
            SELECT count(*) FILTER (WHERE takes_work) AS active,
                   count(*) FILTER (WHERE status IN ('stale', 'lost')) AS overdue,
                   (SELECT count(*) FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
                    WHERE r.status IN ('unknown', 'invalid') AND n.is_live) AS troubled,
                   (SELECT count(*) FROM execution WHERE status IN ('requested', 'scheduling', 'scheduled')) AS waiting,
                   (SELECT coalesce(sum(executions), 0)::int FROM ({_UNSERVED}) AS unserved) AS stranded
            FROM node WHERE role = 'worker'
        """
        (figures,) = await read_all(self._pool, FleetFigures, query)
        return figures

    async def runtime_counts(self, ref: str | None = None) -> Mapping[str, RuntimeCounts]:
        query = """
            SELECT (r.runtime_ref, r.status, coalesce(r.version, '')), count(*)
            FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
            WHERE n.is_live AND (%(ref)s::text IS NULL OR r.runtime_ref = %(ref)s)
            GROUP BY r.runtime_ref, r.status, coalesce(r.version, '') ORDER BY 2 DESC, coalesce(r.version, '')
        """
        counts: dict[str, RuntimeCounts] = {}
        rows = await read_pairs(self._pool, query, {"ref": ref})
        for (runtime_ref, status, version), nodes in rows.items():
            of_ref = counts.setdefault(runtime_ref, RuntimeCounts())
            of_ref.statuses[status] += nodes
            if version and Status(status).offered:
                of_ref.versions[version] += nodes
        return counts
