"""The table `worker`: nodes of both roles and whether they live. What they offer is written with them.

A node holds its name by an advisory lock on a connection of its own, so a name is free the moment its holder dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from attune.core.errors import DatabaseError, NameTakenError
from attune.core.matching.fleet import Node
from attune.core.nodes.capabilities import registered_node, stored_capabilities
from attune.core.nodes.health import TransitionRecord
from attune.core.nodes.role import Role
from attune.core.ports.nodes import HealthReport, Heartbeat, NodeRecord, Registration, RuntimeRecord
from attune.postgres.connection import Pool, connect, conninfo_of, translated
from attune.postgres.matching.fleet import read_fleet
from attune.postgres.nodes.capabilities import write_capabilities
from attune.postgres.nodes.health import read_transitions, write_health
from attune.postgres.nodes.worker_runtimes import write_runtimes

# Only a column that no index and no trigger looks at, so that it costs next to nothing.
_BEAT = """
    UPDATE worker SET last_heartbeat = now() WHERE id = %s
    RETURNING status::text, CASE WHEN meta->>'reloads' ~ '^[0-9]{1,9}$' THEN (meta->>'reloads')::int ELSE 0 END
"""
# A node that was thought stale or lost is what it was before.
_BACK = """
    UPDATE worker SET status = CASE meta->>'was' WHEN 'draining' THEN 'draining' ELSE 'active' END::worker_status_enum
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
_NODE = """
    SELECT id, name, CASE worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END AS role, host,
           coalesce(status::text, 'inactive') AS status,
           CASE jsonb_typeof(capabilities) WHEN 'object' THEN capabilities ELSE '{}' END AS capabilities,
           last_heartbeat,
           extract(epoch FROM now() - last_heartbeat)::float8 AS heartbeat_age,
           CASE WHEN meta->>'pid' ~ '^[0-9]{1,9}$' THEN (meta->>'pid')::int END AS pid,
           generation
    FROM worker
"""


class PostgresNodes:
    """`NodeRegistry` on PostgreSQL. One object holds at most one name."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._holding: AsyncConnection[Any] | None = None

    async def claim(self, name: str, role: Role, *, host: str, pid: int) -> None:
        connection = await connect(
            await conninfo_of(self._pool), application_name=f"attune {role.name} of pid {pid} on {host}"
        )
        try:
            with translated():
                taken = await _lock(connection, name, role)
                if taken:
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
        with translated():
            async with self._pool.connection() as connection, connection.transaction():
                cursor = await connection.execute(
                    """
                    INSERT INTO worker
                        (name, worker_type, worker_role, host, status, capabilities, meta, last_heartbeat)
                    VALUES (%(name)s, 'local', %(role)s, %(host)s, 'active', %(capabilities)s, %(meta)s, now())
                    ON CONFLICT (name, worker_role) DO UPDATE SET
                        host = excluded.host, capabilities = excluded.capabilities,
                        status = CASE WHEN worker.status = 'draining' THEN worker.status ELSE 'active' END,
                        meta = coalesce(worker.meta, '{}') || excluded.meta, last_heartbeat = now()
                    RETURNING id
                    """,
                    {
                        "name": registration.name,
                        "role": registration.role.database_role,
                        "host": registration.host,
                        "capabilities": Jsonb(stored_capabilities(registration)),
                        "meta": Jsonb({"pid": registration.pid}),
                    },
                )
                row = await cursor.fetchone()
                assert row is not None
                node_id = int(row[0])
                await write_runtimes(connection, node_id, registration.verdicts)
                await write_capabilities(connection, node_id, registered_node(node_id, registration))
                return node_id

    async def heartbeat(self, node_id: int) -> Heartbeat | None:
        """Beats on the connection that holds the name, so that losing one is noticed with the other."""
        if self._holding is None:
            raise DatabaseError("cannot reach the database: the name is not held")
        try:
            with translated():
                cursor = await self._holding.execute(_BEAT, (node_id,))
                row = await cursor.fetchone()
                if row is not None and row[0] in ("stale", "lost"):
                    cursor = await self._holding.execute(_BACK, (node_id,))
                    back = await cursor.fetchone()
                    row = (back[0] if back else row[0], row[1])
        except DatabaseError:
            await self._let_go()
            raise
        return Heartbeat(*row) if row else None

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
                with translated():
                    async with self._pool.connection() as connection:
                        await connection.execute("UPDATE worker SET status = 'inactive' WHERE id = %s", (node_id,))
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        holding, self._holding = self._holding, None
        if holding is not None:
            await holding.close()

    async def record_health(self, node_id: int, report: HealthReport) -> bool:
        with translated():
            async with self._pool.connection() as connection, connection.transaction():
                return await write_health(connection, node_id, report)

    async def node_transitions(self, node_id: int, limit: int = 100) -> Sequence[TransitionRecord]:
        with translated():
            async with self._pool.connection() as connection:
                return await read_transitions(connection, node_id, limit)

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]:
        with translated():
            async with (
                self._pool.connection() as connection,
                connection.cursor(row_factory=class_row(NodeRecord)) as cursor,
            ):
                await cursor.execute(
                    _NODE + "WHERE %(role)s::text IS NULL OR worker_role::text = %(role)s ORDER BY worker_role, name",
                    {"role": role.database_role if role else None},
                )
                return await cursor.fetchall()

    async def fleet(self, role: Role) -> Sequence[Node]:
        with translated():
            async with self._pool.connection() as connection:
                return [node async for node in read_fleet(connection, role)]

    async def node_runtimes(self, node_id: int) -> Sequence[RuntimeRecord]:
        with translated():
            async with (
                self._pool.connection() as connection,
                connection.cursor(row_factory=class_row(RuntimeRecord)) as cursor,
            ):
                await cursor.execute(
                    """
                    SELECT runtime_ref AS ref, name, status, version, path, reason, instances, evidence,
                           checked_at, since, failures
                    FROM worker_runtime WHERE worker = %s ORDER BY runtime_ref
                    """,
                    (node_id,),
                )
                return await cursor.fetchall()


def _key(name: str, role: Role) -> str:
    return f"attune {role.name} {name}"


async def _lock(connection: AsyncConnection[Any], name: str, role: Role) -> bool:
    """Try to take the lock of *name*; True if somebody else has it."""
    cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (_key(name, role),))
    row = await cursor.fetchone()
    return not (row and row[0])


async def _holder(connection: AsyncConnection[Any], name: str, role: Role) -> str:
    cursor = await connection.execute(
        """
        SELECT session.application_name, to_char(session.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')
        FROM pg_locks AS held JOIN pg_stat_activity AS session ON session.pid = held.pid
        WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (held.classid::bigint << 32) | held.objid::bigint = hashtextextended(%s, 0)
        """,
        (_key(name, role),),
    )
    row = await cursor.fetchone()
    if row is None:
        return "another process"
    who = str(row[0]).removeprefix(f"attune {role.name} of ") or "another process"
    return f"{who}, connected since {row[1]}"
