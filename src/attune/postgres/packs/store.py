"""Packs in the database: what a folder says, and its files, written as one; see `pack_rows` for the rows."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from attune.core.errors import InUseError, UsageError
from attune.core.packs.files import PackFile, digest_of
from attune.core.packs.pack import KINDS, Known, Pack, PackChange, PackRecord
from attune.core.runtimes.definition import capability_name
from attune.core.runtimes.runtime import Runtime
from attune.postgres.connection import Pool, translated
from attune.postgres.json_values import tolerate
from attune.postgres.packs.rows import TABLES, remove_rows, rows_of, write_row

CHANNEL = "attune_pack"
"""Where the ref of a pack is told that was loaded or removed."""

_RECORD = """
    SELECT p.ref, p.label, p.version, p.description, p.digest, p.is_standard, p.tags, p.config, p.updated,
           (SELECT coalesce(array_agg(r.ref ORDER BY r.ref), '{}') FROM runtime AS r WHERE r.pack = p.id) AS runtimes,
           (SELECT coalesce(array_agg(a.ref ORDER BY a.ref), '{}') FROM action AS a WHERE a.pack = p.id) AS actions,
           (SELECT coalesce(array_agg(t.ref ORDER BY t.ref), '{}') FROM trigger AS t WHERE t.pack = p.id) AS triggers,
           (SELECT coalesce(array_agg(s.ref ORDER BY s.ref), '{}') FROM sensor AS s WHERE s.pack = p.id) AS sensors,
           (SELECT coalesce(array_agg(r.ref ORDER BY r.ref), '{}') FROM rule AS r WHERE r.pack = p.id) AS rules,
           (SELECT coalesce(array_agg(f.path ORDER BY f.path), '{}')
            FROM pack_file AS f WHERE f.digest = p.digest) AS files
    FROM pack AS p
"""
# An execution names the version that it runs; the column comes with a later migration than this table.
_PRUNE = """
    DELETE FROM pack_version AS v
    WHERE NOT EXISTS (SELECT FROM pack AS p WHERE p.digest = v.digest)
      AND NOT EXISTS (
          SELECT FROM execution AS e
          WHERE e.status NOT IN ('completed', 'failed', 'cancelled', 'timeout', 'abandoned')
            AND to_jsonb(e) ->> 'pack_digest' = v.digest)
"""
# Events lock triggers, then rules; removing goes the other way. Whoever brings an event waits, rather than both.
_NO_EVENTS = "LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE"


class PostgresPacks:
    """`PackStore` on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def known(self) -> Known:
        """What the packs of this installation bring, for checking another against it."""
        with translated():
            async with self._pool.connection() as connection, connection.cursor() as cursor:
                tolerate(cursor)
                await cursor.execute("SELECT ref, name, distributions FROM runtime")
                runtimes = {
                    ref: capability_name(Runtime(ref, name, given)) for ref, name, given in await cursor.fetchall()
                }
                await cursor.execute("SELECT ref FROM trigger")
                triggers = frozenset(row[0] for row in await cursor.fetchall())
                await cursor.execute("SELECT ref, param_schema FROM action")
                actions = {ref: schema if isinstance(schema, dict) else {} for ref, schema in await cursor.fetchall()}
        return Known(runtimes, triggers, actions)

    async def load(self, pack: Pack, files: Sequence[PackFile], *, changed_by: str) -> list[PackChange]:
        """Write *pack* and its *files* in one transaction; what changed, nothing if it was loaded just so.

        What the folder had when it was last loaded and has no more is removed. Raises `InUseError` where something
        uses it, `UsageError` where what the pack refers to has gone meanwhile. Whoever switched something off finds
        it off still, unless the folder itself says something new about it.
        """
        with translated():
            async with self._pool.connection() as connection, connection.transaction():
                await _alone(connection, changed_by)
                changes = await _load(connection, pack, files)
                if changes:
                    await connection.execute(_PRUNE)
                    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, pack.ref))
                return changes

    async def is_untouched(self) -> bool:
        """Whether there is no pack but Attune's own, and none has been offered."""
        with translated():
            async with self._pool.connection() as connection:
                return await _untouched(connection)

    async def offer(self, pack: Pack, files: Sequence[PackFile]) -> bool:
        """Load *pack* if there is none but Attune's own, once in the life of a database; whether it was loaded."""
        with translated():
            async with self._pool.connection() as connection, connection.transaction():
                await _alone(connection, f"attune ({pack.ref} pack)")
                if not await _untouched(connection):
                    return False
                await _load(connection, pack, files)
                await connection.execute(
                    "UPDATE pack SET meta = meta || jsonb_build_object('attune_offered', %s::text) WHERE ref = 'core'",
                    (pack.ref,),
                )
                await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, pack.ref))
                return True

    async def remove_pack(self, ref: str, *, changed_by: str) -> bool:
        """Delete a pack with all that it brought; False if there is none. Raises `InUseError`."""
        with translated():
            async with self._pool.connection() as connection, connection.transaction():
                await _alone(connection, changed_by)
                cursor = await connection.execute("SELECT id, is_standard FROM pack WHERE ref = %s FOR UPDATE", (ref,))
                row = await cursor.fetchone()
                if row is None:
                    return False
                if row[1]:
                    raise InUseError(f"{ref}: expected a pack that was loaded, got one that is part of Attune")
                await connection.execute(_NO_EVENTS)
                for kind in reversed(KINDS):
                    await remove_rows(connection, kind, await _refs(connection, kind, row[0]), row[0])
                await connection.execute("DELETE FROM pack WHERE id = %s", (row[0],))
                await connection.execute(_PRUNE)
                await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, ref))
                return True

    async def list_packs(self) -> Sequence[PackRecord]:
        """Every pack, by ref."""
        return await self._records(f"{_RECORD} ORDER BY p.ref", ())

    async def get_pack(self, ref: str) -> PackRecord | None:
        """One pack, None if there is none of that ref."""
        found = await self._records(f"{_RECORD} WHERE p.ref = %s", (ref,))
        return found[0] if found else None

    async def files(self, digest: str) -> Sequence[PackFile]:
        """The files of one version of a pack, by path; none if nobody has that version any more."""
        with translated():
            async with (
                self._pool.connection() as connection,
                connection.cursor(row_factory=class_row(PackFile)) as cursor,
            ):
                await cursor.execute(
                    "SELECT path, content, executable FROM pack_file WHERE digest = %s ORDER BY path", (digest,)
                )
                return await cursor.fetchall()

    async def _records(self, query: str, parameters: Sequence[Any]) -> list[PackRecord]:
        with translated():
            async with (
                self._pool.connection() as connection,
                connection.cursor(row_factory=class_row(PackRecord)) as cursor,
            ):
                await cursor.execute(query.encode(), parameters)
                return await cursor.fetchall()


async def _alone(connection: AsyncConnection[Any], changed_by: str) -> None:
    """One pack is loaded at a time: a pack refers to others."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('attune packs', 0))")
    await connection.execute("SELECT set_config('attune.changed_by', %s, true)", (changed_by,))


async def _untouched(connection: AsyncConnection[Any]) -> bool:
    cursor = await connection.execute("SELECT FROM pack WHERE NOT is_standard OR meta ? 'attune_offered' LIMIT 1")
    return await cursor.fetchone() is None


async def _load(connection: AsyncConnection[Any], pack: Pack, files: Sequence[PackFile]) -> list[PackChange]:
    digest = digest_of(files)
    before = await _loaded(connection, pack.ref)
    gone = {kind: sorted({*before.get(kind, {})} - {*pack.refs(kind)}) for kind in KINDS}
    if any(gone.values()):
        await connection.execute(_NO_EVENTS)
    await _store_files(connection, pack.ref, digest, files)
    changes = [await write_row(connection, "pack", pack.ref, _head(pack, digest))]
    cursor = await connection.execute("SELECT id FROM pack WHERE ref = %s", (pack.ref,))
    row = await cursor.fetchone()
    assert row is not None
    made: dict[tuple[str, str], int] = {}
    ids = ChainMap(made, await _ids(connection, pack))
    for kind, ref, values, wanted in rows_of(pack, row[0], ids):
        if wanted is not None:
            values["enabled"] = await _switch(connection, kind, ref, wanted, before)
        changes.append(await write_row(connection, TABLES[kind], ref, values))
        found = await _ids_of(connection, kind, [ref])
        made[kind, ref] = found[kind, ref]
    for kind in reversed(KINDS):
        changes += await remove_rows(connection, kind, gone[kind], row[0])
    await connection.execute(
        "UPDATE pack SET loaded = %(new)s WHERE id = %(id)s AND loaded IS DISTINCT FROM %(new)s",
        {"new": Jsonb(_declared(pack)), "id": row[0]},
    )
    return [change for change in changes if change is not None]


def _head(pack: Pack, digest: str) -> dict[str, Any]:
    return {
        "label": pack.label,
        "description": pack.description,
        "version": pack.version,
        "conf_schema": Jsonb(pack.conf_schema),
        "config": Jsonb(pack.config),
        "meta": Jsonb(pack.meta),
        "tags": list(pack.tags),
        "runtime_deps": list(pack.runtime_deps),
        "digest": digest,
    }


def _declared(pack: Pack) -> dict[str, dict[str, bool]]:
    """By kind and ref: whether the folder wants it switched on."""
    return {kind: {one.ref: getattr(one, "enabled", True) for one in getattr(pack, kind)} for kind in KINDS}


async def _loaded(connection: AsyncConnection[Any], ref: str) -> Mapping[str, Mapping[str, bool]]:
    cursor = await connection.execute("SELECT loaded, is_standard FROM pack WHERE ref = %s FOR UPDATE", (ref,))
    row = await cursor.fetchone()
    if row is not None and row[1]:
        raise UsageError(f"{ref}: expected a ref of your own, got that of a pack that is part of Attune")
    return row[0] if row is not None and row[0] is not None else {}


async def _switch(
    connection: AsyncConnection[Any], kind: str, ref: str, wanted: bool, before: Mapping[str, Mapping[str, bool]]
) -> bool:
    """Whether the row is to be on: as it is, unless it is new or the folder has changed its mind."""
    cursor = await connection.execute(f"SELECT enabled FROM {TABLES[kind]} WHERE ref = %s".encode(), (ref,))
    row = await cursor.fetchone()
    if row is None or before.get(kind, {}).get(ref, wanted) != wanted:
        return wanted
    return bool(row[0])


async def _store_files(connection: AsyncConnection[Any], ref: str, digest: str, files: Sequence[PackFile]) -> None:
    cursor = await connection.execute(
        "INSERT INTO pack_version (digest, pack_ref) VALUES (%s, %s) ON CONFLICT DO NOTHING", (digest, ref)
    )
    if not cursor.rowcount:
        return
    async with connection.cursor() as writer:
        await writer.executemany(
            "INSERT INTO pack_file (digest, path, content, executable) VALUES (%s, %s, %s, %s)",
            [(digest, file.path, file.content, file.executable) for file in files],
        )


async def _ids(connection: AsyncConnection[Any], pack: Pack) -> dict[tuple[str, str], int]:
    """The ids of what *pack* refers to outside itself. Raises `UsageError` where one is gone."""
    wanted = {
        "runtimes": {one.runtime_ref for one in pack.actions if one.runtime_ref}
        | {one.runtime_ref for one in pack.sensors},
        "triggers": {one.trigger_ref for one in pack.sensors} | {one.trigger_ref for one in pack.rules},
        "actions": {one.action_ref for one in pack.rules},
    }
    found: dict[tuple[str, str], int] = {}
    for kind, refs in wanted.items():
        foreign = refs - {*pack.refs(kind)}
        found |= await _ids_of(connection, kind, sorted(foreign))
        missing = sorted(ref for ref in foreign if (kind, ref) not in found)
        if missing:
            raise UsageError(
                f"expected {TABLES[kind]} {missing[0]}, which has been removed meanwhile", hint="load again"
            )
    return found


async def _ids_of(connection: AsyncConnection[Any], kind: str, refs: Sequence[str]) -> dict[tuple[str, str], int]:
    cursor = await connection.execute(f"SELECT ref, id FROM {TABLES[kind]} WHERE ref = ANY(%s)".encode(), (list(refs),))
    return {(kind, ref): number for ref, number in await cursor.fetchall()}


async def _refs(connection: AsyncConnection[Any], kind: str, pack_id: int) -> list[str]:
    cursor = await connection.execute(f"SELECT ref FROM {TABLES[kind]} WHERE pack = %s".encode(), (pack_id,))
    return [row[0] for row in await cursor.fetchall()]
