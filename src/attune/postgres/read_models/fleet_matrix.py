"""The fleet as a matrix of nodes and runtimes, for people: little of each cell, for many cells."""

from __future__ import annotations

from attune.core.nodes.role import Role
from attune.core.ports.read_models import FleetFigures, FleetMatrix, MatrixColumn, MatrixRow, NodeFilter
from attune.postgres.connection import Pool
from attune.postgres.read_models.node_pages import condition_of
from attune.postgres.rows import read_all, read_value, transaction

_OFFERED = "('available', 'declared', 'assumed')"


async def read_matrix(pool: Pool, role: Role, wanted: NodeFilter, *, skip: int = 0, limit: int = 200) -> FleetMatrix:
    """The nodes of *role* that *wanted* leaves, by name."""
    async with transaction(pool) as connection:
        condition, parameters = await condition_of(connection, role, wanted)
        total = await read_value(connection, f"SELECT count(*) FROM node AS n WHERE {condition}", parameters)
        columns = f"""
            SELECT name, sum(nodes)::int AS offered,
                   coalesce(array_agg(version ORDER BY nodes DESC, version) FILTER (WHERE version <> ''), '{{}}')
                       AS versions
            FROM (SELECT r.name, coalesce(r.version, '') AS version, count(*) AS nodes
                  FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
                  WHERE r.status IN {_OFFERED} AND {condition} GROUP BY 1, 2) AS counted
            GROUP BY name ORDER BY 2 DESC, 1
        """
        rows = f"""
            SELECT n.id, n.name, n.status,
                   (SELECT coalesce(json_object_agg(r.name, json_build_array(r.status, r.version, r.runtime_ref)
                            ORDER BY r.status IN {_OFFERED}), '{{}}')
                    FROM worker_runtime AS r WHERE r.worker = n.id) AS cells
            FROM node AS n WHERE {condition} ORDER BY n.name, n.id OFFSET %(skip)s LIMIT %(limit)s
        """
        return FleetMatrix(
            total,
            await read_all(connection, MatrixColumn, columns, parameters),
            await read_all(connection, MatrixRow, rows, {**parameters, "skip": skip, "limit": limit}),
        )


async def read_figures(pool: Pool) -> FleetFigures:
    """The figures at the top of the fleet."""
    query = """
        SELECT count(*) FILTER (WHERE takes_work) AS active,
               count(*) FILTER (WHERE status IN ('stale', 'lost')) AS overdue,
               (SELECT count(*) FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
                WHERE r.status IN ('unknown', 'invalid') AND n.is_live) AS troubled,
               (SELECT count(*) FROM execution WHERE status IN ('requested', 'scheduling', 'scheduled')) AS waiting,
               (SELECT count(*) FROM execution WHERE status = 'requested') AS stranded
        FROM node WHERE role = 'worker'
    """
    (figures,) = await read_all(pool, FleetFigures, query)
    return figures
