"""The table `worker`: nodes of both roles and whether they live. What they offer is written with them.

A node holds its name by a lease in its row: everything that it writes names the number of its lease, and counts for
nothing once a newer start has taken the name over.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

from attune.core.errors import DatabaseError, NameTakenError, SupersededError
from attune.core.matching.fleet import Node
from attune.core.matching.registered import registered_node
from attune.core.nodes.capabilities import stored_capabilities
from attune.core.nodes.health import TransitionRecord
from attune.core.nodes.role import Role
from attune.core.ports.nodes import (
    HealthReport,
    Heartbeat,
    NodeInstance,
    NodeRecord,
    Predecessor,
    Registration,
    RuntimeRecord,
)
from attune.postgres.connection import Pool, connect, conninfo_of, cut, cut_all, translated
from attune.postgres.matching.fleet import read_fleet
from attune.postgres.nodes.capabilities import write_capabilities
from attune.postgres.nodes.worker_runtimes import write_health, write_place_transition, write_runtimes
from attune.postgres.rows import execute, read_all, read_one, read_value, transaction

# Only columns that no index looks at, so that it costs next to nothing.
_BEAT = """
    UPDATE worker SET last_heartbeat = now(), refused = %s WHERE id = %s AND epoch = %s
    RETURNING status::text,
              CASE WHEN meta->>'reloads' ~ '^[0-9]{1,9}$' THEN (meta->>'reloads')::int ELSE 0 END AS reloads
"""
# A node that was thought stale or lost is what it was before.
_BACK = """
    UPDATE worker SET status = CASE meta->>'was' WHEN 'draining' THEN 'draining' WHEN 'degraded' THEN 'degraded'
        ELSE 'active' END::worker_status_enum
    WHERE id = %s AND status IN ('stale', 'lost') RETURNING status::text
"""
_CLAIM = """
    SELECT id, epoch, holder, age, same_boot
    FROM claim_node(%(name)s, %(role)s, %(host)s, %(pid)s, %(key)s, %(boot)s)
"""
# Who has the name now, if that is somebody else.
_NEWER = """
    SELECT 'pid ' || coalesce(pid::text, 'unknown') || ' on ' || coalesce(n.host, 'an unknown host')
    FROM node AS n JOIN worker AS w USING (id)
    WHERE n.name = %(name)s AND n.role = %(role)s
      AND (w.epoch > %(epoch)s OR w.instance_key IS DISTINCT FROM %(key)s)
"""
_PROBLEM = """
    SELECT status::text AS status, problem FROM worker
    WHERE id = %(id)s AND epoch = coalesce(%(epoch)s, epoch) FOR NO KEY UPDATE
"""
_DEGRADE = """
    UPDATE worker SET problem = %(problem)s::text, status = CASE
        WHEN %(problem)s::text IS NOT NULL AND status IN ('active', 'busy', 'starting') THEN 'degraded'
        WHEN %(problem)s::text IS NULL AND status = 'degraded' THEN 'active'
        ELSE status::text END::worker_status_enum
    WHERE id = %(id)s RETURNING status::text
"""


@dataclass(frozen=True, slots=True)
class _NodeLease:
    name: str
    role: Role
    key: str | None
    epoch: int


class PostgresNodes:
    """`NodeRegistry` on PostgreSQL. One object holds at most one name.

    It beats on a connection of its own. If that says nothing for *silence* seconds it is cut, and with the next
    heartbeat that works all connections of the pool are.
    """

    def __init__(self, pool: Pool, silence: float = 15.0) -> None:
        self._pool = pool
        self._silence = silence
        self._lease: _NodeLease | None = None
        self._beats: AsyncConnection[Any] | None = None
        self._suspect = False

    @property
    def epoch(self) -> int | None:
        return self._lease.epoch if self._lease is not None else None

    async def claim(
        self, name: str, role: Role, *, host: str, pid: int, instance: NodeInstance | None = None
    ) -> Predecessor | None:
        await self._let_go()
        instance = instance or NodeInstance()
        asked = {"name": name, "role": role.database_role, "host": host, "pid": pid}
        asked |= {"key": instance.key, "boot": instance.boot}
        claimed: dict[str, Any] | None = await read_one(self._pool, dict, _CLAIM, asked)
        if claimed is None or claimed["epoch"] is None:
            holder = claimed["holder"] if claimed is not None else "another process"
            raise NameTakenError(
                f"the {role.name} name {name!r} is held by {holder}",
                hint=f"stop it, or start this one with another name: attune {role.name} start --name NAME",
            )
        self._lease = _NodeLease(name, role, instance.key, claimed["epoch"])
        query = "UPDATE worker SET meta = meta - 'reloads' WHERE id = %s AND meta ? 'reloads'"
        await execute(self._pool, query, (claimed["id"],))
        return None if claimed["age"] is None else Predecessor(claimed["age"], bool(claimed["same_boot"]))

    async def register(self, registration: Registration) -> int:
        async with transaction(self._pool) as connection:
            query = """
                INSERT INTO worker AS w (name, worker_type, worker_role, host, status, capabilities, meta,
                    last_heartbeat)
                VALUES (%(name)s, 'local', %(role)s, %(host)s, 'active', %(capabilities)s, %(meta)s, now())
                ON CONFLICT (name, worker_role) DO UPDATE SET
                    host = excluded.host, capabilities = excluded.capabilities,
                    status = CASE WHEN w.status = 'draining' THEN w.status
                        WHEN w.problem IS NOT NULL THEN 'degraded' ELSE 'active' END,
                    meta = coalesce(w.meta, '{}') || excluded.meta, last_heartbeat = now()
                WHERE w.epoch = coalesce(%(epoch)s, w.epoch)
                RETURNING id
            """
            named = {"name": registration.name, "role": registration.role.database_role, "host": registration.host}
            offered = {"capabilities": Jsonb(stored_capabilities(registration)), "epoch": self.epoch}
            parameters = {**named, **offered, "meta": Jsonb({"pid": registration.pid})}
            await self._check_lease(connection)
            node_id: int | None = await read_value(connection, query, parameters)
            if node_id is None:
                raise _superseded(registration.role, registration.name, "another process")
            await write_runtimes(connection, node_id, registration.verdicts)
            await write_capabilities(connection, node_id, registered_node(node_id, registration))
        return node_id

    async def heartbeat(self, node_id: int, refused: str = "") -> Heartbeat | None:
        if self._lease is None:
            raise DatabaseError("cannot reach the database: the name is not held")
        try:
            with translated():
                connection = self._beats or await self._connected(self._lease)
                with self._bounded():
                    heartbeat = await self._beat(connection, node_id, refused)
        except DatabaseError:
            await self._close()
            raise
        if self._suspect:
            self._suspect = False
            cut_all(self._pool)
        if heartbeat is None:
            await self._let_go()
        return heartbeat

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """Cut the connection of the heartbeats if it says nothing for too long."""
        cutting = asyncio.get_running_loop().call_later(self._silence, self._cut)
        try:
            yield
        finally:
            cutting.cancel()

    async def _beat(self, connection: AsyncConnection[Any], node_id: int, refused: str) -> Heartbeat | None:
        heartbeat = await read_one(connection, Heartbeat, _BEAT, (refused[:1000], node_id, self.epoch))
        if heartbeat is None:
            await self._check_lease(connection)
        elif heartbeat.status in ("stale", "lost"):
            status = await read_value(connection, _BACK, (node_id,))
            heartbeat = replace(heartbeat, status=status or heartbeat.status)
        return heartbeat

    async def _connected(self, lease: _NodeLease) -> AsyncConnection[Any]:
        options: Any = {"connect_timeout": ceil(self._silence), **conninfo_to_dict(await conninfo_of(self._pool))}
        url = make_conninfo(**options)
        self._beats = connection = await connect(url, application_name=f"attune {lease.role.name}")
        with self._bounded():
            await connection.execute("LISTEN attune_node")
        return connection

    def _cut(self) -> None:
        self._suspect = True
        if self._beats is not None:
            cut(self._beats)

    async def _check_lease(self, connection: AsyncConnection[Any]) -> None:
        """Raises `SupersededError` where somebody else has the name."""
        if (lease := self._lease) is None:
            return
        asked = {"name": lease.name, "role": lease.role.name, "epoch": lease.epoch, "key": lease.key}
        if newer := await read_value(connection, _NEWER, asked):
            raise _superseded(lease.role, lease.name, newer)

    async def news(self, node_id: int, timeout_seconds: float) -> None:
        """Listens on the connection of the heartbeats; losing it ends the wait."""
        if self._lease is None:
            await asyncio.sleep(timeout_seconds)
            return
        try:
            with translated():
                connection = self._beats or await self._connected(self._lease)
                async for notice in connection.notifies(timeout=timeout_seconds):
                    if notice.payload == str(node_id):
                        return
        except DatabaseError:
            await self._close()

    async def leave(self, node_id: int | None = None) -> None:
        try:
            if node_id is not None:
                query = "UPDATE worker SET status = 'inactive' WHERE id = %s AND epoch = coalesce(%s, epoch)"
                await execute(self._pool, query, (node_id, self.epoch))
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        self._lease = None
        await self._close()

    async def _close(self) -> None:
        beats, self._beats = self._beats, None
        if beats is not None:
            await beats.close()

    async def record_health(self, node_id: int, report: HealthReport) -> bool:
        async with transaction(self._pool) as connection:
            return await write_health(connection, node_id, report, self.epoch)

    async def degrade(self, node_id: int, problem: str | None) -> None:
        async with transaction(self._pool) as connection:
            asked = {"id": node_id, "epoch": self.epoch}
            before: dict[str, Any] | None = await read_one(connection, dict, _PROBLEM, asked)
            if before is None:
                return
            status = await read_value(connection, _DEGRADE, {"id": node_id, "problem": problem})
            if (before["problem"] is None) != (problem is None):
                await write_place_transition(
                    connection, node_id, before["status"], status, problem or "programs can be run here again"
                )

    async def node_transitions(self, node_id: int, limit: int = 100) -> Sequence[TransitionRecord]:
        query = """
            SELECT id, runtime_ref, name, from_status, to_status, reason, evidence, at
            FROM runtime_transition WHERE worker = %s ORDER BY at DESC, id DESC LIMIT %s
        """
        return await read_all(self._pool, TransitionRecord, query, (node_id, limit))

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]:
        query = """
            SELECT id, name, role, host, status, capabilities, last_heartbeat, heartbeat_age, pid, generation,
                coalesce(problem, (SELECT w.meta->>'drain_reason' FROM worker AS w
                                   WHERE w.id = node.id AND w.status = 'draining')) AS problem
            FROM node WHERE %(role)s::text IS NULL OR role = %(role)s ORDER BY role DESC, name
        """
        return await read_all(self._pool, NodeRecord, query, {"role": role.name if role else None})

    async def fleet(self, role: Role) -> Sequence[Node]:
        with translated():
            async with self._pool.connection() as connection:
                return [node async for node in read_fleet(connection, role)]

    async def node_runtimes(self, node_id: int) -> Sequence[RuntimeRecord]:
        query = """
            SELECT runtime_ref AS ref, name, status, version, path, reason, instances, evidence,
                   checked_at, since, failures
            FROM worker_runtime WHERE worker = %s ORDER BY runtime_ref
        """
        return await read_all(self._pool, RuntimeRecord, query, (node_id,))


def _superseded(role: Role, name: str, newer: str) -> SupersededError:
    return SupersededError(f"superseded: the {role.name} name {name!r} was taken over by {newer}")
