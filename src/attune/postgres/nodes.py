"""The tables `worker` and `worker_runtime`: nodes of both roles, what they verified and whether they live.

A node holds its name by an advisory lock on a connection of its own, so a name is free the moment its holder dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from attune.core.errors import DatabaseError, NameTakenError
from attune.core.node import Role
from attune.core.ports import HealthReport, NodeRecord, Registration, RuntimeRecord, TransitionRecord
from attune.core.verdict import Verdict
from attune.postgres.connection import Pool, connect, conninfo_of, translated
from attune.postgres.health import read_transitions, write_health
from attune.postgres.verdict_rows import row_of

_NODE = """
    SELECT id, name, CASE worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END AS role, host,
           coalesce(status::text, 'inactive') AS status, coalesce(capabilities, '{}') AS capabilities, last_heartbeat,
           extract(epoch FROM now() - last_heartbeat)::float8 AS heartbeat_age, (meta->>'pid')::int AS pid,
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
                        host = excluded.host, status = 'active', capabilities = excluded.capabilities,
                        meta = coalesce(worker.meta, '{}') || excluded.meta, last_heartbeat = now()
                    RETURNING id
                    """,
                    {
                        "name": registration.name,
                        "role": registration.role.database_role,
                        "host": registration.host,
                        "capabilities": Jsonb(dict(registration.capabilities)),
                        "meta": Jsonb({"pid": registration.pid}),
                    },
                )
                row = await cursor.fetchone()
                assert row is not None
                await _write_runtimes(connection, row[0], registration.verdicts)
                return int(row[0])

    async def heartbeat(self, node_id: int) -> bool:
        """Beats on the connection that holds the name, so that losing one is noticed with the other."""
        if self._holding is None:
            raise DatabaseError("cannot reach the database: the name is not held")
        try:
            with translated():
                cursor = await self._holding.execute(
                    "UPDATE worker SET last_heartbeat = now() WHERE id = %s", (node_id,)
                )
        except DatabaseError:
            await self._holding.close()
            self._holding = None
            raise
        return cursor.rowcount == 1

    async def leave(self, node_id: int | None = None) -> None:
        try:
            if node_id is not None:
                with translated():
                    async with self._pool.connection() as connection:
                        await connection.execute("UPDATE worker SET status = 'inactive' WHERE id = %s", (node_id,))
        finally:
            if self._holding is not None:
                await self._holding.close()
                self._holding = None

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


async def _write_runtimes(connection: AsyncConnection[Any], node_id: int, verdicts: Sequence[Verdict]) -> None:
    rows = [row_of(verdict) for verdict in verdicts]
    await connection.execute(
        "DELETE FROM worker_runtime WHERE worker = %s AND NOT runtime_ref = ANY(%s)",
        (node_id, [row["runtime_ref"] for row in rows]),
    )
    await connection.execute(
        """
        INSERT INTO worker_runtime AS old (worker, runtime_ref, name, status, version, path, instances, reason,
                                           evidence, checked_at, failures)
        SELECT %s, new.runtime_ref, new.name, new.status, new.version, new.path, new.instances, new.reason,
               new.evidence, now() - new.age * interval '1 second',
               CASE WHEN new.offered THEN 0 ELSE 1 END
        FROM jsonb_to_recordset(%s) AS new(runtime_ref text, name text, status text, version text, path text,
                                           instances jsonb, reason text, evidence jsonb, age float8, offered boolean)
        ON CONFLICT (worker, runtime_ref) DO UPDATE SET
            name = excluded.name, status = excluded.status, version = excluded.version, path = excluded.path,
            instances = excluded.instances, reason = excluded.reason, evidence = excluded.evidence,
            checked_at = excluded.checked_at,
            since = CASE WHEN old.status = excluded.status THEN old.since ELSE excluded.since END,
            failures = CASE WHEN excluded.failures = 0 THEN 0 ELSE old.failures + 1 END
        """,
        (node_id, Jsonb(rows)),
    )
