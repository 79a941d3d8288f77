"""Nodes for the API: pages of the fleet with filters, and all that is known of one node, as JSON that PostgreSQL makes.

A fleet may have 100,000 nodes, and a node many runtimes: what is only passed on is not read into Python.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from attune.core.matching.requirement import Requirement
from attune.core.nodes.role import Role
from attune.postgres.connection import Pool, translated
from attune.postgres.matching.requirement_sql import needs_of

ROLE = "CASE w.worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END"
_CAPABILITIES = "CASE jsonb_typeof(w.capabilities) WHEN 'object' THEN w.capabilities ELSE '{}' END AS capabilities"
_NODE = f"""
    SELECT w.id, w.name, {ROLE} AS role, w.host, coalesce(w.status::text, 'inactive') AS status,
           {_CAPABILITIES},
           w.last_heartbeat, extract(epoch FROM now() - w.last_heartbeat)::float8 AS heartbeat_age,
           CASE WHEN w.meta->>'pid' ~ '^[0-9]{{1,9}}$' THEN (w.meta->>'pid')::int END AS pid, w.generation,
           coalesce(place.running, 0) AS running, place.max_concurrent
    FROM worker AS w LEFT JOIN worker_load AS place ON place.worker = w.id
"""
_RUNTIMES = """
    SELECT json_agg(one ORDER BY one.ref) FROM (
        SELECT r.runtime_ref AS ref, r.name, r.status, r.version, r.path, r.instances, r.reason, r.evidence,
               r.checked_at, extract(epoch FROM now() - r.checked_at)::float8 AS age_seconds, r.since, r.failures
        FROM worker_runtime AS r WHERE r.worker = w.id) AS one
"""


@dataclass(frozen=True, slots=True)
class NodeFilter:
    """Which nodes. `runtimes` are offered by name, `labels` as they stand, `q` is part of the name or host."""

    statuses: Sequence[str] = ()
    runtimes: Sequence[str] = ()
    labels: Sequence[tuple[str, str | None]] = ()
    requirement: Requirement | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class JsonPage:
    """Items as the text of a JSON list, and what the next page begins after, None on the last."""

    items: str
    next: tuple[Any, ...] | None


class PostgresNodePages:
    """Reads nodes of one role for the API."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, role: Role, wanted: NodeFilter, *, after: tuple[str, int] | None = None, limit: int = 100
    ) -> JsonPage:
        """The next *limit* nodes by name."""
        with translated():
            async with self._pool.connection() as connection:
                conditions, parameters = await conditions_of(connection, wanted)
                if after is not None:
                    conditions.append("(w.name, w.id) > (%(after_name)s, %(after_id)s)")
                    parameters |= {"after_name": after[0], "after_id": after[1]}
                parameters |= {"role": role.name, "limit": limit}
                cursor = await connection.execute(
                    f"""
                    SELECT row_to_json(one)::text, one.name, one.id
                    FROM ({_NODE} WHERE {ROLE} = %(role)s {"".join(f" AND {one}" for one in conditions)}
                          ORDER BY w.name, w.id LIMIT %(limit)s) AS one
                    """.encode(),
                    parameters,
                )
                return _page(await cursor.fetchall(), limit)

    async def show(self, role: Role, node_id: int) -> str | None:
        """One node as JSON; None if there is none of that role."""
        return await self._text(
            f"SELECT row_to_json(one)::text FROM ({_NODE} WHERE w.id = %s AND {ROLE} = %s) AS one", role, node_id
        )

    async def capabilities(self, role: Role, node_id: int) -> str | None:
        """What a node offers and how each verdict was reached, as JSON; None if there is none of that role."""
        query = f"""
            SELECT row_to_json(one)::text FROM (
                SELECT w.id, w.name, {ROLE} AS role, coalesce(w.status::text, 'inactive') AS status, w.generation,
                       {_CAPABILITIES},
                       w.last_heartbeat, extract(epoch FROM now() - w.last_heartbeat)::float8 AS heartbeat_age,
                       now() AS as_of, coalesce(({_RUNTIMES}), '[]') AS results
                FROM worker AS w WHERE w.id = %s AND {ROLE} = %s) AS one
        """
        return await self._text(query, role, node_id)

    async def exists(self, role: Role, node_id: int) -> bool:
        """Whether there is such a node of that role."""
        return bool(
            await self._text(f"SELECT w.id::text FROM worker AS w WHERE w.id = %s AND {ROLE} = %s", role, node_id)
        )

    async def transitions(self, *, node_id: int | None = None, before: int | None = None, limit: int = 100) -> JsonPage:
        """What nodes, or one node, gained and lost, newest first."""
        query = f"""
            SELECT row_to_json(one)::text, one.id FROM (
                SELECT t.id, t.worker, w.name AS worker_name, {ROLE} AS role, t.runtime_ref, t.name, t.from_status,
                       t.to_status, t.reason, t.evidence, t.at
                FROM runtime_transition AS t JOIN worker AS w ON w.id = t.worker
                WHERE (%(node)s::bigint IS NULL OR t.worker = %(node)s)
                  AND (%(before)s::bigint IS NULL OR t.id < %(before)s)
                ORDER BY t.id DESC LIMIT %(limit)s) AS one
        """
        with translated():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query.encode(), {"node": node_id, "before": before, "limit": limit})
                return _page(await cursor.fetchall(), limit)

    async def _text(self, query: str, role: Role, node_id: int) -> str | None:
        with translated():
            async with self._pool.connection() as connection:
                row = await (await connection.execute(query.encode(), (node_id, role.name))).fetchone()
                return str(row[0]) if row else None


def _page(rows: Sequence[tuple[Any, ...]], limit: int) -> JsonPage:
    following = tuple(rows[-1][1:]) if len(rows) == limit else None
    return JsonPage(f"[{','.join(row[0] for row in rows)}]", following)


async def conditions_of(connection: AsyncConnection[Any], wanted: NodeFilter) -> tuple[list[str], dict[str, Any]]:
    """*wanted* as SQL conditions on `worker AS w`, and their parameters."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {}

    def add(condition: str, value: Any) -> None:
        name = f"p{len(parameters)}"
        parameters[name] = value
        conditions.append(condition.format(f"%({name})s"))

    if wanted.statuses:
        add("coalesce(w.status::text, 'inactive') = ANY({})", list(wanted.statuses))
    if wanted.q:
        add("strpos(lower(w.name || ' ' || coalesce(w.host, '')), lower({})) > 0", wanted.q)
    for name in wanted.runtimes:
        add(
            "EXISTS (SELECT FROM worker_runtime AS r WHERE r.worker = w.id AND r.name = {}"
            " AND r.status IN ('available', 'declared', 'assumed'))",
            name,
        )
    for name, value in wanted.labels:
        if value is None:
            add("w.capabilities -> 'labels' ? {}", name)
        else:
            add("w.capabilities -> 'labels' @> {}::jsonb", json.dumps({name: value}))
    if wanted.requirement is not None:
        need, _ = await needs_of(connection, wanted.requirement, (), ())
        if need.is_impossible:
            conditions.append("false")
        held = "EXISTS (SELECT FROM worker_capability AS held WHERE held.worker = w.id AND {})"
        for ids in need.some:
            add(held.replace("{}", "held.capabilities && {}::integer[]"), ids)
        if need.none:
            add("NOT " + held.replace("{}", "held.capabilities && {}::integer[]"), need.none)
    return conditions, parameters
