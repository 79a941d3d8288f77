"""The tables `worker` and `worker_runtime`: nodes of both roles, what they verified and whether they live.

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
from attune.core.node import Role
from attune.core.ports import Heartbeat, NodeRecord, Registration, RuntimeRecord
from attune.core.verdict import Verdict
from attune.postgres.connection import Pool, connect, conninfo_of, translated

# A node that was thought stale or lost is what it was before. Neither column changes otherwise, which keeps the update
# out of the indexes.
_BEAT = """
    UPDATE worker SET last_heartbeat = now(), status = CASE WHEN status IN ('stale', 'lost')
        THEN coalesce(meta->>'was', 'active')::worker_status_enum ELSE status END
    WHERE id = %s RETURNING status::text, coalesce((meta->>'reloads')::int, 0)
"""
_STARTING = """
    INSERT INTO worker (name, worker_type, worker_role, host, status, meta, last_heartbeat)
    VALUES (%s, 'local', %s, %s, 'starting', %s, now())
    ON CONFLICT (name, worker_role) DO UPDATE SET
        host = excluded.host, last_heartbeat = now(),
        status = CASE WHEN worker.status = 'draining' AND worker.meta->'pid' = excluded.meta->'pid'
            THEN worker.status ELSE 'starting' END,
        meta = coalesce(worker.meta, '{}') || excluded.meta
"""
_NODE = """
    SELECT id, name, CASE worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END AS role, host,
           coalesce(status::text, 'inactive') AS status,
           CASE jsonb_typeof(capabilities) WHEN 'object' THEN capabilities ELSE '{}' END AS capabilities,
           last_heartbeat,
           extract(epoch FROM now() - last_heartbeat)::float8 AS heartbeat_age,
           CASE WHEN meta->>'pid' ~ '^[0-9]{1,9}$' THEN (meta->>'pid')::int END AS pid
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
                        "capabilities": Jsonb(dict(registration.capabilities)),
                        "meta": Jsonb({"pid": registration.pid}),
                    },
                )
                row = await cursor.fetchone()
                assert row is not None
                await _write_runtimes(connection, row[0], registration.verdicts)
                return int(row[0])

    async def heartbeat(self, node_id: int) -> Heartbeat | None:
        """Beats on the connection that holds the name, so that losing one is noticed with the other."""
        if self._holding is None:
            raise DatabaseError("cannot reach the database: the name is not held")
        try:
            with translated():
                cursor = await self._holding.execute(_BEAT, (node_id,))
                row = await cursor.fetchone()
        except DatabaseError:
            await self._let_go()
            raise
        return Heartbeat(row[0], row[1]) if row else None

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
    rows = [_row(verdict) for verdict in verdicts]
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


def _row(verdict: Verdict) -> dict[str, Any]:
    evidence = verdict.evidence
    return {
        "runtime_ref": verdict.ref,
        "name": verdict.capability,
        "status": verdict.status.value,
        "version": _storable(verdict.version),
        "path": _storable(verdict.path),
        "instances": [
            {"version": _storable(one.version), "path": _storable(one.path), "real_path": _storable(one.real_path)}
            for one in verdict.instances
        ],
        "reason": _storable(verdict.reason),
        "evidence": None
        if evidence is None
        else {
            "command": [_storable(word) for word in evidence.command],
            "exit_code": evidence.exit_code,
            "output": _storable(evidence.output),
            "duration_ms": round(evidence.duration_ms, 3),
            "cached": evidence.cached_age is not None,
        },
        "age": (evidence.cached_age if evidence else None) or 0.0,
        "offered": verdict.status.offered,
    }


def _storable(text: str | None) -> str | None:
    """*text* without what PostgreSQL cannot hold: NUL, and the surrogates of undecodable file names."""
    if text is None:
        return None
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
