"""The whole fleet out of the tables `worker` and `worker_runtime`, as the matcher sees nodes: for explanations.

Rows are streamed and equal texts are read once, so that a large fleet costs seconds, not minutes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any

from psycopg import AsyncConnection

from attune.core.matching.fleet import Capability, CapabilityInstance, Node, NodeStatus, capabilities_of
from attune.core.nodes.capabilities import execution_limit
from attune.core.nodes.labels import labels_of
from attune.core.nodes.role import Role
from attune.core.runtimes import verdict
from attune.core.runtimes.verdict import Status, Verdict

Row = tuple[Any, ...]
_ROWS = 10_000  # fetched at a time
_FLEET = """
    SELECT n.id, n.name, n.status, n.capabilities -> 'max_concurrent_executions',
           n.capabilities -> 'labels', n.capabilities -> 'taints', coalesce(place.running, 0),
           r.runtime_ref, r.name, r.status, r.instances::text, r.reason, (r.evidence -> 'command')::text,
           extract(epoch FROM now() - r.checked_at)::float8
    FROM node AS n
    LEFT JOIN worker_runtime AS r ON r.worker = n.id
    LEFT JOIN worker_load AS place ON place.worker = n.id
    WHERE n.role = %(role)s
    ORDER BY n.id, r.runtime_ref
"""


async def read_fleet(connection: AsyncConnection[Any], role: Role) -> AsyncIterator[Node]:
    """Every node of *role*, by id."""
    node: Row | None = None
    runtimes: list[Row] = []
    async with connection.transaction(), connection.cursor("fleet") as cursor:
        await cursor.execute(_FLEET, {"role": role.name})
        while rows := await cursor.fetchmany(_ROWS):
            for row in rows:
                if node is not None and row[0] != node[0]:
                    yield _node(role, node, runtimes)
                    runtimes = []
                node = row
                if row[7] is not None:
                    runtimes.append(row[7:])
    if node is not None:
        yield _node(role, node, runtimes)


def _node(role: Role, row: Row, runtimes: list[Row]) -> Node:
    number, name, status, limit, labels, taints, running = row[:7]
    return Node(
        number,
        name,
        _capabilities(runtimes),
        # An operator's own key of that name may hold anything.
        labels_of(labels) if isinstance(labels, Mapping) else {},
        frozenset(taint for taint in taints if isinstance(taint, str)) if isinstance(taints, list) else frozenset(),
        NodeStatus(status),
        role.name,
        running,
        execution_limit(limit),
    )


def _capabilities(rows: list[Row]) -> dict[str, Capability]:
    found = {row[1]: _capability(*row) for row in rows}
    if len(found) == len(rows):
        return found
    return capabilities_of(_verdict(*row) for row in rows)  # several definitions verify one runtime


def _capability(
    _ref: str, name: str, status: str, instances: str, reason: str, command: str | None, age: float | None
) -> Capability:
    return Capability(name, _STATUSES[status], _paths(instances), reason, " ".join(_command(command or "[]")), age)


def _verdict(
    ref: str, name: str, status: str, instances: str, reason: str, command: str | None, age: float | None
) -> Verdict:
    known = tuple(verdict.Instance(one.version, one.path or "", "") for one in _paths(instances))
    evidence = verdict.Evidence(_command(command or "[]"), None, "", cached_age=age)
    return Verdict(ref, name, _STATUSES[status], reason, "", known, evidence)


_STATUSES = {status.value: status for status in Status}


@lru_cache(maxsize=65_536)
def _paths(text: str) -> tuple[CapabilityInstance, ...]:
    return tuple(CapabilityInstance(one["version"], one["path"]) for one in json.loads(text))


@lru_cache(maxsize=4096)
def _command(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
