"""Nodes for the API: pages of the fleet with filters, and all that is known of one node, as JSON that PostgreSQL makes.

A fleet may have 100,000 nodes, and a node many runtimes: what is only passed on is not read into Python.
"""

import json
from collections.abc import Mapping
from typing import Any

from attune.core.nodes.role import Role
from attune.core.ports.read_models import JsonPage, NodeFilter
from attune.postgres.matching.requirement_sql import needs_of
from attune.postgres.rows import PostgresStore, Source, read_pairs, read_value

_NODE = """
    SELECT n.id, n.name, n.role, n.host, n.status, n.capabilities, n.last_heartbeat, n.heartbeat_age, n.pid,
           n.generation, n.problem, coalesce(place.running, 0) AS running, place.max_concurrent
    FROM node AS n LEFT JOIN worker_load AS place ON place.worker = n.id
"""
_RUNTIMES = """
    SELECT json_agg(result ORDER BY result.ref) FROM (
        SELECT r.runtime_ref AS ref, r.name, r.status, r.version, r.path, r.instances, r.reason, r.evidence,
               r.checked_at, extract(epoch FROM now() - r.checked_at)::float8 AS age_seconds, r.since, r.failures
        FROM worker_runtime AS r WHERE r.worker = n.id) AS result
"""
OFFERED = "('available', 'declared', 'assumed')"


class PostgresNodePages(PostgresStore):
    """`NodePages` on PostgreSQL."""

    async def page(
        self, role: Role, wanted: NodeFilter, *, after: tuple[str, int] | None = None, limit: int = 100
    ) -> JsonPage:
        condition, parameters = await condition_of(self._pool, role, wanted)
        if after is not None:
            condition += " AND (n.name, n.id) > (%(after_name)s, %(after_id)s)"
            parameters |= {"after_name": after[0], "after_id": after[1]}
        query = f"""
            SELECT row_to_json(item)::text AS text, jsonb_build_array(item.name, item.id) AS position
            FROM ({_NODE} WHERE {condition} ORDER BY n.name, n.id LIMIT %(limit)s) AS item
        """
        return await self._page(query, {**parameters, "limit": limit}, limit)

    async def show(self, role: Role, node_id: int) -> str | None:
        return await self._text(
            f"SELECT row_to_json(item)::text FROM ({_NODE} WHERE n.id = %s AND n.role = %s) AS item", role, node_id
        )

    async def capabilities(self, role: Role, node_id: int) -> str | None:
        query = f"""
            SELECT row_to_json(item)::text FROM (
                SELECT n.id, n.name, n.role, n.status, n.generation, n.capabilities, n.last_heartbeat, n.heartbeat_age,
                       now() AS as_of, coalesce(({_RUNTIMES}), '[]') AS results
                FROM node AS n WHERE n.id = %s AND n.role = %s) AS item
        """
        return await self._text(query, role, node_id)

    async def exists(self, role: Role, node_id: int) -> bool:
        return await self._text("SELECT 'yes' FROM node WHERE id = %s AND role = %s", role, node_id) is not None

    async def transitions(self, *, node_id: int | None = None, before: int | None = None, limit: int = 100) -> JsonPage:
        query = """
            SELECT row_to_json(item)::text AS text, jsonb_build_array(item.id) AS position FROM (
                SELECT t.id, t.worker, n.name AS worker_name, n.role, t.runtime_ref, t.name, t.from_status,
                       t.to_status, t.reason, t.evidence, t.at
                FROM runtime_transition AS t JOIN node AS n ON n.id = t.worker
                WHERE (%(node)s::bigint IS NULL OR t.worker = %(node)s)
                  AND (%(before)s::bigint IS NULL OR t.id < %(before)s)
                ORDER BY t.id DESC LIMIT %(limit)s) AS item
        """
        return await self._page(query, {"node": node_id, "before": before, "limit": limit}, limit)

    async def _page(self, query: str, parameters: Mapping[str, Any], limit: int) -> JsonPage:
        positions = await read_pairs(self._pool, query, parameters)
        following = tuple([*positions.values()][-1]) if len(positions) == limit else None
        return JsonPage(f"[{','.join(positions)}]", following)

    async def _text(self, query: str, role: Role, node_id: int) -> str | None:
        text: str | None = await read_value(self._pool, query, (node_id, role.name))
        return text


async def condition_of(source: Source, role: Role, wanted: NodeFilter) -> tuple[str, dict[str, Any]]:
    """The nodes of *role* that *wanted* leaves, as an SQL condition on `node AS n`, and its parameters."""
    conditions = ["n.role = %(role)s"]
    parameters: dict[str, Any] = {"role": role.name}

    def add(condition: str, value: Any) -> None:
        name = f"p{len(parameters)}"
        parameters[name] = value
        conditions.append(condition.format(f"%({name})s"))

    if wanted.statuses:
        add("n.status = ANY({})", list(wanted.statuses))
    if wanted.q:
        add("strpos(lower(n.name || ' ' || coalesce(n.host, '')), lower({})) > 0", wanted.q)
    for name in wanted.runtimes:
        offers = "SELECT FROM worker_runtime AS r WHERE r.worker = n.id AND r.name = {} AND r.status IN "
        add(f"EXISTS ({offers}{OFFERED})", name)
    for name, value in wanted.labels:
        if value is None:
            add("n.capabilities -> 'labels' ? {}", name)
        else:
            add("n.capabilities -> 'labels' @> {}::jsonb", json.dumps({name: value}))
    if wanted.requirement is not None:
        need, _ = await needs_of(source, wanted.requirement, (), ())
        if need.is_impossible:
            conditions.append("false")
        held = "EXISTS (SELECT FROM worker_capability AS held WHERE held.worker = n.id AND {})"
        for ids in need.some:
            add(held.replace("{}", "held.capabilities && {}::integer[]"), ids)
        if need.none:
            add("NOT " + held.replace("{}", "held.capabilities && {}::integer[]"), need.none)
    return " AND ".join(conditions), parameters
