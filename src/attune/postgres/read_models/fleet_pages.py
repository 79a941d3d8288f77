"""`FleetPages` on PostgreSQL: the fleet as a matrix of nodes and runtimes, its figures, and where each runtime is."""

from __future__ import annotations

from collections.abc import Mapping

from attune.core.nodes.role import Role
from attune.core.ports.read_models import (
    FleetFigures,
    FleetMatrix,
    FleetMetrics,
    MatrixColumn,
    MatrixRow,
    NodeFilter,
    RuntimeCounts,
)
from attune.core.runtimes.verdict import Status
from attune.postgres.connection import Pool
from attune.postgres.read_models.metrics import PostgresMetrics
from attune.postgres.read_models.node_pages import OFFERED, condition_of
from attune.postgres.rows import read_all, read_pairs, read_value, transaction


class PostgresFleetPages:
    """`FleetPages` on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._metrics = PostgresMetrics(pool)

    async def matrix(self, role: Role, wanted: NodeFilter, *, skip: int = 0, limit: int = 200) -> FleetMatrix:
        async with transaction(self._pool) as connection:
            condition, parameters = await condition_of(connection, role, wanted)
            total = await read_value(connection, f"SELECT count(*) FROM node AS n WHERE {condition}", parameters)
            columns = f"""
                SELECT name, sum(nodes)::int AS offered,
                       coalesce(array_agg(version ORDER BY nodes DESC, version) FILTER (WHERE version <> ''), '{{}}')
                           AS versions
                FROM (SELECT r.name, coalesce(r.version, '') AS version, count(*) AS nodes
                      FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
                      WHERE r.status IN {OFFERED} AND {condition} GROUP BY 1, 2) AS counted
                GROUP BY name ORDER BY 2 DESC, 1
            """
            rows = f"""
                SELECT n.id, n.name, n.status,
                       (SELECT coalesce(json_object_agg(r.name, json_build_array(r.status, r.version, r.runtime_ref)
                                ORDER BY r.status IN {OFFERED}), '{{}}')
                        FROM worker_runtime AS r WHERE r.worker = n.id) AS cells
                FROM node AS n WHERE {condition} ORDER BY n.name, n.id OFFSET %(skip)s LIMIT %(limit)s
            """
            return FleetMatrix(
                total,
                await read_all(connection, MatrixColumn, columns, parameters),
                await read_all(connection, MatrixRow, rows, {**parameters, "skip": skip, "limit": limit}),
            )

    async def figures(self) -> FleetFigures:
        query = """
            SELECT count(*) FILTER (WHERE takes_work) AS active,
                   count(*) FILTER (WHERE status IN ('stale', 'lost')) AS overdue,
                   (SELECT count(*) FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
                    WHERE r.status IN ('unknown', 'invalid') AND n.is_live) AS troubled,
                   (SELECT count(*) FROM execution WHERE status IN ('requested', 'scheduling', 'scheduled')) AS waiting,
                   (SELECT count(*) FROM execution WHERE status = 'requested') AS stranded
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

    async def metrics(self) -> FleetMetrics:
        return await self._metrics.read()
