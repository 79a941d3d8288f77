"""The fleet as a matrix of nodes and runtimes, for people: little of each cell, for many cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from attune.core.nodes.role import Role
from attune.postgres.connection import Pool, translated
from attune.postgres.read_models.node_pages import ROLE, NodeFilter, conditions_of

_OFFERED = "('available', 'declared', 'assumed')"


@dataclass(frozen=True, slots=True)
class MatrixColumn:
    """A runtime that somebody offers. `versions` are those that are offered, the most frequent first."""

    name: str
    offered: int
    versions: Sequence[str]


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A node. `cells` are by name: status, version and ref. `seen` is the age of its heartbeat in seconds."""

    id: int
    name: str
    status: str
    seen: float | None
    labels: dict[str, Any]
    cells: dict[str, tuple[str, str | None, str]]


@dataclass(frozen=True, slots=True)
class FleetMatrix:
    """The nodes of a page, and what the whole filtered fleet offers."""

    total: int
    columns: Sequence[MatrixColumn]
    rows: Sequence[MatrixRow]


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """What an operator looks at first."""

    active: int
    overdue: int
    troubled: int
    waiting: int
    stranded: int


async def read_matrix(pool: Pool, role: Role, wanted: NodeFilter, *, skip: int = 0, limit: int = 200) -> FleetMatrix:
    """The nodes of *role* that *wanted* leaves, by name."""
    with translated():
        async with pool.connection() as connection, connection.transaction():
            conditions, parameters = await conditions_of(connection, wanted)
            where = f"{ROLE} = %(role)s" + "".join(f" AND {one}" for one in conditions)
            parameters |= {"role": role.name, "skip": skip, "limit": limit}
            counted = await connection.execute(f"SELECT count(*) FROM worker AS w WHERE {where}".encode(), parameters)
            total = (await counted.fetchone() or (0,))[0]
            columns = await connection.execute(
                f"""
                SELECT name, sum(n)::int, array_agg(version ORDER BY n DESC, version) FILTER (WHERE version <> '')
                FROM (SELECT r.name, coalesce(r.version, '') AS version, count(*) AS n
                      FROM worker_runtime AS r JOIN worker AS w ON w.id = r.worker
                      WHERE r.status IN {_OFFERED} AND {where} GROUP BY 1, 2) AS one
                GROUP BY name ORDER BY 2 DESC, 1
                """.encode(),
                parameters,
            )
            found = [MatrixColumn(name, count, versions or []) for name, count, versions in await columns.fetchall()]
            rows = await connection.execute(
                f"""
                SELECT w.id, w.name, coalesce(w.status::text, 'inactive'),
                       extract(epoch FROM now() - w.last_heartbeat)::float8,
                       CASE jsonb_typeof(w.capabilities -> 'labels') WHEN 'object' THEN w.capabilities -> 'labels'
                            ELSE '{{}}' END,
                       (SELECT coalesce(json_object_agg(r.name, json_build_array(r.status, r.version, r.runtime_ref)
                                ORDER BY r.status IN {_OFFERED}), '{{}}')
                        FROM worker_runtime AS r WHERE r.worker = w.id)
                FROM worker AS w WHERE {where} ORDER BY w.name, w.id OFFSET %(skip)s LIMIT %(limit)s
                """.encode(),
                parameters,
            )
            return FleetMatrix(total, found, [MatrixRow(*row) for row in await rows.fetchall()])


async def read_figures(pool: Pool) -> FleetFigures:
    """The four figures at the top of the fleet."""
    query = f"""
        SELECT count(*) FILTER (WHERE status IN ('active', 'busy')),
               count(*) FILTER (WHERE status IN ('stale', 'lost')),
               (SELECT count(*) FROM worker_runtime AS r JOIN worker AS w ON w.id = r.worker
                WHERE r.status IN ('unknown', 'invalid') AND w.status NOT IN ('inactive', 'lost')),
               (SELECT count(*) FROM execution WHERE status IN ('requested', 'scheduling', 'scheduled')),
               (SELECT count(*) FROM execution WHERE status = 'requested')
        FROM worker AS w WHERE {ROLE} = 'worker'
    """
    with translated():
        async with pool.connection() as connection:
            row = await (await connection.execute(query.encode())).fetchone()
            assert row is not None
            return FleetFigures(*row)
