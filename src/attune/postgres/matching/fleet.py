"""The whole fleet out of the tables `worker` and `worker_runtime`, as the matcher sees nodes: for explanations.

Rows are streamed and equal texts are read once, so that a large fleet costs seconds, not minutes.
"""

import json
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row

from attune.core.matching.fleet import Capability, Node, NodeStatus, by_name
from attune.core.nodes.capabilities import execution_limit
from attune.core.nodes.labels import labels_of
from attune.core.nodes.role import Role
from attune.core.runtimes.verdict import Instance, Status

_ROWS = 10_000  # fetched at a time
_FLEET = """
    SELECT n.id, n.name, n.status, n.capabilities -> 'max_concurrent_executions' AS max_concurrent,
           n.capabilities -> 'labels' AS labels, n.capabilities -> 'taints' AS taints,
           coalesce(place.running, 0) AS running,
           r.runtime_ref, r.name AS runtime, r.status AS verdict, r.instances::text, r.reason,
           coalesce((r.evidence -> 'command')::text, '[]') AS command,
           extract(epoch FROM now() - r.checked_at)::float8 AS age,
           CASE r.status WHEN 'unknown' THEN r.version END AS good_version,
           extract(epoch FROM now() - r.since)::float8 AS unchanged,
           coalesce(r.evidence -> 'cached' = 'true', false) AS cached
    FROM node AS n
    LEFT JOIN worker_runtime AS r ON r.worker = n.id
    LEFT JOIN worker_load AS place ON place.worker = n.id
    WHERE n.role = %(role)s
    ORDER BY n.id, r.runtime_ref
"""


async def read_fleet(connection: AsyncConnection[Any], role: Role) -> AsyncIterator[Node]:
    """Every node of *role*, by id."""
    row: Any
    rows: list[Any] = []  # of one node, one for each runtime, or one without any
    async with connection.transaction(), connection.cursor("fleet", row_factory=namedtuple_row) as cursor:
        await cursor.execute(_FLEET, {"role": role.name})
        while batch := await cursor.fetchmany(_ROWS):
            for row in batch:
                if rows and row.id != rows[0].id:
                    yield _node(role, rows)
                    rows = []
                rows.append(row)
    if rows:
        yield _node(role, rows)


def _node(role: Role, rows: list[Any]) -> Node:
    node = rows[0]
    labels, taints = node.labels, node.taints  # an operator's own key of that name may hold anything
    return Node(
        node.id,
        node.name,
        by_name(_capability(row) for row in rows if row.runtime_ref is not None),
        labels_of(labels) if isinstance(labels, Mapping) else {},
        frozenset(taint for taint in taints if isinstance(taint, str)) if isinstance(taints, list) else frozenset(),
        NodeStatus(node.status),
        role.name,
        node.running,
        execution_limit(node.max_concurrent),
    )


def _capability(row: Any) -> Capability:
    status, command = Status(row.verdict), " ".join(_command(row.command))
    found, ref, reason = _paths(row.instances), row.runtime_ref, row.reason
    if found is None:  # whoever wrote that is taken at no word
        status, found, reason = Status.INVALID, (), "what the node wrote of it cannot be read"
    good = row.good_version, row.unchanged if row.good_version else None
    return Capability(row.runtime, status, found, reason, command, row.age, *good, cached=row.cached, ref=ref)


@lru_cache(maxsize=65_536)
def _paths(text: str) -> tuple[Instance, ...] | None:
    """The instances of that JSON, None where it is something else."""
    try:
        found = tuple(Instance(**instance) for instance in json.loads(text))
    except (TypeError, ValueError):
        return None
    parts = [part for one in found for part in (one.version, one.path, one.real_path)]
    return found if all(isinstance(part, str | None) for part in parts) else None


@lru_cache(maxsize=4096)
def _command(text: str) -> tuple[str, ...]:
    words = json.loads(text)
    return tuple(map(str, words)) if isinstance(words, list) else ()
