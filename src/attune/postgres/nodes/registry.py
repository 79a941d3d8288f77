"""The table `worker`: nodes of both roles and whether they live. What they offer is written with them.

A node holds its name by an advisory lock on a connection of its own, so a name is free the moment its holder dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.errors import DatabaseError, NameTakenError
from attune.core.matching.fleet import Node
from attune.core.matching.registered import registered_node
from attune.core.nodes.capabilities import stored_capabilities
from attune.core.nodes.health import TransitionRecord
from attune.core.nodes.role import Role
from attune.core.ports.nodes import HealthReport, Heartbeat, NodeRecord, Registration, RuntimeRecord
from attune.postgres.connection import Pool, connect, conninfo_of, translated
from attune.postgres.matching.fleet import read_fleet
from attune.postgres.nodes.capabilities import write_capabilities
from attune.postgres.nodes.worker_runtimes import write_health, write_place_transition, write_runtimes
from attune.postgres.rows import execute, read_all, read_one, read_value, transaction

# Only a column that no index and no trigger looks at, so that it costs next to nothing.
_BEAT = """
    UPDATE worker SET last_heartbeat = now(), refused = %s WHERE id = %s
    RETURNING status::text,
              CASE WHEN meta->>'reloads' ~ '^[0-9]{1,9}$' THEN (meta->>'reloads')::int ELSE 0 END AS reloads
"""
# A node that was thought stale or lost is what it was before.
_BACK = """
    UPDATE worker SET status = CASE meta->>'was' WHEN 'draining' THEN 'draining' WHEN 'degraded' THEN 'degraded'
        ELSE 'active' END::worker_status_enum
    WHERE id = %s AND status IN ('stale', 'lost') RETURNING status::text
"""
# A process that claims its own name again, after an outage, is what it was.
_STARTING = """
    INSERT INTO worker (name, worker_type, worker_role, host, status, meta, last_heartbeat)
    VALUES (%s, 'local', %s, %s, 'starting', %s, now())
    ON CONFLICT (name, worker_role) DO UPDATE SET
        host = excluded.host, last_heartbeat = now(),
        status = CASE WHEN worker.meta->'pid' IS DISTINCT FROM excluded.meta->'pid' OR worker.status = 'inactive'
            THEN 'starting' WHEN worker.status = 'draining' THEN 'draining' ELSE 'active' END::worker_status_enum,
        meta = coalesce(worker.meta, '{}') || excluded.meta
"""
_PROBLEM = "SELECT status::text AS status, problem FROM worker WHERE id = %s FOR NO KEY UPDATE"
_DEGRADE = """
    UPDATE worker SET problem = %(problem)s::text, status = CASE
        WHEN %(problem)s::text IS NOT NULL AND status IN ('active', 'busy', 'starting') THEN 'degraded'
        WHEN %(problem)s::text IS NULL AND status = 'degraded' THEN 'active'
        ELSE status::text END::worker_status_enum
    WHERE id = %(id)s RETURNING status::text
"""
_FIT = "programs can be run here again"


@dataclass(frozen=True, slots=True)
class _Before:
    status: str
    problem: str | None


class PostgresNodes:
    """`NodeRegistry` on PostgreSQL. One object holds at most one name."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._holding: AsyncConnection[Any] | None = None

    async def claim(self, name: str, role: Role, *, host: str, pid: int) -> None:
        session = f"attune {role.name} of pid {pid} on {host}"
        connection = await connect(await conninfo_of(self._pool), application_name=session)
        try:
            with translated():
                query = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
                if not await read_value(connection, query, (_key(name, role),)):
                    holder = await _holder(connection, name, role)
                    raise NameTakenError(
                        f"the {role.name} name {name!r} is held by {holder}",
                        hint=f"stop it, or start this one with another name: attune {role.name} start --name NAME",
                    )
                await connection.execute(_STARTING, (name, role.database_role, host, Jsonb({"pid": pid})))
                await connection.execute("LISTEN attune_node")
        except BaseException:
            await connection.close()
            raise
        await self.leave()
        self._holding = connection

    async def holds_name(self) -> bool:
        """Whether the connection that holds the name is open; a heartbeat finds out whether it still works."""
        return self._holding is not None and not self._holding.closed

    async def register(self, registration: Registration) -> int:
        async with transaction(self._pool) as connection:
            query = """
                INSERT INTO worker (name, worker_type, worker_role, host, status, capabilities, meta, last_heartbeat)
                VALUES (%(name)s, 'local', %(role)s, %(host)s, 'active', %(capabilities)s, %(meta)s, now())
                ON CONFLICT (name, worker_role) DO UPDATE SET
                    host = excluded.host, capabilities = excluded.capabilities,
                    status = CASE WHEN worker.status = 'draining' THEN worker.status
                        WHEN worker.problem IS NOT NULL THEN 'degraded' ELSE 'active' END,
                    meta = coalesce(worker.meta, '{}') || excluded.meta, last_heartbeat = now()
                RETURNING id
            """
            parameters = {
                "name": registration.name,
                "role": registration.role.database_role,
                "host": registration.host,
                "capabilities": Jsonb(stored_capabilities(registration)),
                "meta": Jsonb({"pid": registration.pid}),
            }
            node_id: int = await read_value(connection, query, parameters)
            await write_runtimes(connection, node_id, registration.verdicts)
            await write_capabilities(connection, node_id, registered_node(node_id, registration))
        return node_id

    async def heartbeat(self, node_id: int, refused: str = "") -> Heartbeat | None:
        """Beats on the connection that holds the name, so that losing one is noticed with the other."""
        if self._holding is None:
            raise DatabaseError("cannot reach the database: the name is not held")
        try:
            with translated():
                heartbeat = await read_one(self._holding, Heartbeat, _BEAT, (refused[:1000], node_id))
                if heartbeat is not None and heartbeat.status in ("stale", "lost"):
                    status = await read_value(self._holding, _BACK, (node_id,))
                    heartbeat = replace(heartbeat, status=status or heartbeat.status)
        except DatabaseError:
            await self._let_go()
            raise
        return heartbeat

    async def news(self, node_id: int, timeout_seconds: float) -> None:
        """Listens on the connection that holds the name; losing it ends the wait."""
        if self._holding is None:
            await asyncio.sleep(timeout_seconds)
            return
        try:
            with translated():
                async for notice in self._holding.notifies(timeout=timeout_seconds):
                    if notice.payload == str(node_id):
                        return
        except DatabaseError:
            await self._let_go()

    async def leave(self, node_id: int | None = None) -> None:
        try:
            if node_id is not None:
                await execute(self._pool, "UPDATE worker SET status = 'inactive' WHERE id = %s", (node_id,))
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        holding, self._holding = self._holding, None
        if holding is not None:
            await holding.close()

    async def record_health(self, node_id: int, report: HealthReport) -> bool:
        async with transaction(self._pool) as connection:
            return await write_health(connection, node_id, report)

    async def degrade(self, node_id: int, problem: str | None) -> None:
        async with transaction(self._pool) as connection:
            before = await read_one(connection, _Before, _PROBLEM, (node_id,))
            if before is None:
                return
            status = await read_value(connection, _DEGRADE, {"id": node_id, "problem": problem})
            if (before.problem is None) != (problem is None):
                await write_place_transition(connection, node_id, before.status, status, problem or _FIT)

    async def node_transitions(self, node_id: int, limit: int = 100) -> Sequence[TransitionRecord]:
        query = """
            SELECT id, runtime_ref, name, from_status, to_status, reason, evidence, at
            FROM runtime_transition WHERE worker = %s ORDER BY at DESC, id DESC LIMIT %s
        """
        return await read_all(self._pool, TransitionRecord, query, (node_id, limit))

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]:
        query = """
            SELECT id, name, role, host, status, capabilities, last_heartbeat, heartbeat_age, pid, generation, problem
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


def _key(name: str, role: Role) -> str:
    return f"attune {role.name} {name}"


async def _holder(connection: AsyncConnection[Any], name: str, role: Role) -> str:
    query = """
        SELECT coalesce(nullif(replace(session.application_name, %s, ''), ''), 'another process')
               || ', connected since ' || to_char(session.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')
        FROM pg_locks AS held JOIN pg_stat_activity AS session ON session.pid = held.pid
        WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (held.classid::bigint << 32) | held.objid::bigint = hashtextextended(%s, 0)
    """
    holder = await read_value(connection, query, (f"attune {role.name} of ", _key(name, role)))
    return holder or "another process"
