"""Packs in the database: what a folder says, and its files, written as one; see `rows.py` for the rows."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.errors import InUseError, UsageError
from attune.core.packs.pack import KINDS, Known, Pack, PackChange, PackFile, PackRecord, digest_of
from attune.core.runtimes.definition import capability_name
from attune.core.runtimes.runtime import Runtime
from attune.postgres.executions.actions import actions_of
from attune.postgres.executions.withdrawal import cancel_old
from attune.postgres.packs.rows import REFERRED, TABLES, PackRow, remove_rows, rows_of, write_row
from attune.postgres.rows import (
    PostgresStore,
    execute,
    read_all,
    read_one,
    read_pairs,
    read_value,
    read_values,
    transaction,
    without_secrets,
)

CHANNEL = "attune_pack"
"""Where the ref of a pack is told that was loaded or removed."""

_REFS = ", ".join(
    f"(SELECT coalesce(array_agg(r.ref ORDER BY r.ref), '{{}}') FROM {table} AS r WHERE r.pack = p.id) AS {kind}"
    for kind, table in TABLES.items()
)
_RECORD = f"""
    SELECT p.ref, p.label, p.version, p.description, p.digest, p.is_standard, p.tags, p.updated,
           {without_secrets("p.config", "p.conf_schema")} AS config,
           {_REFS},
           (SELECT coalesce(array_agg(f.path ORDER BY f.path), '{{}}')
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
_TOUCHED = "SELECT true FROM pack WHERE NOT is_standard OR meta ? 'attune_offered' LIMIT 1"
# Events lock triggers, then rules; removing goes the other way. Whoever brings an event waits, rather than both.
_NO_EVENTS = "LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE"


class PostgresPacks(PostgresStore):
    """`PackStore` on PostgreSQL."""

    async def known(self) -> Known:
        runtimes = await read_all(self._pool, Runtime, "SELECT ref, name, distributions FROM runtime")
        triggers = await read_values(self._pool, "SELECT ref FROM trigger")
        actions = await read_pairs(self._pool, "SELECT ref, param_schema FROM action")
        return Known(
            {runtime.ref: capability_name(runtime) for runtime in runtimes},
            frozenset(triggers),
            {ref: schema if isinstance(schema, dict) else {} for ref, schema in actions.items()},
        )

    async def load(
        self, pack: Pack, files: Sequence[PackFile], *, changed_by: str, cancel_waiting: bool = False
    ) -> list[PackChange]:
        """Write *pack* and its *files* in one transaction; what changed, nothing if it was loaded just so.

        What the folder had when it was last loaded and has no more is removed. Raises `InUseError` where something
        uses it, `UsageError` where what the pack refers to has gone meanwhile. Whoever switched something off finds
        it off still, unless the folder itself says something new about it. Executions that wait run what they were
        asked of, unless *cancel_waiting*: then those of other contents than the new ones are cancelled.
        """
        async with transaction(self._pool) as connection:
            await _alone(connection, changed_by)
            await connection.execute(_PRUNE)  # first: what is replaced now may be asked for at this moment
            changes = await _load(connection, pack, files, cancel_waiting)
            if changes:
                await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, pack.ref))
            return changes

    async def is_untouched(self) -> bool:
        """Whether there is no pack but Attune's own, and none has been offered."""
        return not await read_value(self._pool, _TOUCHED)

    async def offer(self, pack: Pack, files: Sequence[PackFile]) -> bool:
        """Load *pack* if there is none but Attune's own, once in the life of a database; whether it was loaded."""
        async with transaction(self._pool) as connection:
            await _alone(connection, f"attune ({pack.ref} pack)")
            if await read_value(connection, _TOUCHED):
                return False
            await _load(connection, pack, files)
            await connection.execute(
                "UPDATE pack SET meta = meta || jsonb_build_object('attune_offered', %s::text) WHERE ref = 'core'",
                (pack.ref,),
            )
            await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, pack.ref))
            return True

    async def remove_pack(self, ref: str, *, changed_by: str, cancel_waiting: bool = False) -> bool:
        """Delete a pack with all that it brought; False if there is none. Raises `InUseError`.

        Executions that wait use it, unless *cancel_waiting*: then they are cancelled.
        """
        async with transaction(self._pool) as connection:
            await _alone(connection, changed_by)
            pack = await _lock_pack(connection, ref)
            if pack is None:
                return False
            if pack.is_standard:
                raise InUseError(f"{ref}: expected a pack that was loaded, got one that is part of Attune")
            await connection.execute(_NO_EVENTS)
            if cancel_waiting:
                await cancel_old(connection, pack.id, {})
            for kind in reversed(KINDS):
                refs = await read_values(connection, f"SELECT ref FROM {TABLES[kind]} WHERE pack = %s", (pack.id,))
                await remove_rows(connection, kind, refs, pack.id)
            await connection.execute("DELETE FROM pack WHERE id = %s", (pack.id,))
            await connection.execute(_PRUNE)
            await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, ref))
            return True

    async def list_packs(self) -> Sequence[PackRecord]:
        return await read_all(self._pool, PackRecord, f"{_RECORD} ORDER BY p.ref")

    async def get_pack(self, ref: str) -> PackRecord | None:
        return await read_one(self._pool, PackRecord, f"{_RECORD} WHERE p.ref = %s", (ref,))

    async def files(self, digest: str) -> Sequence[PackFile] | None:
        """The files of one version of a pack, by path; None where there is no such version."""
        if not await read_value(self._pool, "SELECT true FROM pack_version WHERE digest = %s", (digest,)):
            return None
        query = "SELECT path, content, executable FROM pack_file WHERE digest = %s ORDER BY path"
        return await read_all(self._pool, PackFile, query, (digest,))


@dataclass(frozen=True, slots=True, kw_only=True)
class _LockedPack:
    id: int
    is_standard: bool
    loaded: Mapping[str, Mapping[str, bool]] | None


async def _lock_pack(connection: AsyncConnection[Any], ref: str) -> _LockedPack | None:
    query = "SELECT id, is_standard, loaded FROM pack WHERE ref = %s FOR UPDATE"
    return await read_one(connection, _LockedPack, query, (ref,))


async def _alone(connection: AsyncConnection[Any], changed_by: str) -> None:
    """One pack is loaded at a time: a pack refers to others."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('attune packs', 0))")
    await connection.execute("SELECT set_config('attune.changed_by', %s, true)", (changed_by,))


async def _load(
    connection: AsyncConnection[Any], pack: Pack, files: Sequence[PackFile], cancel_waiting: bool = False
) -> list[PackChange]:
    digest = digest_of(files)
    old = await _lock_pack(connection, pack.ref)
    if old is not None and old.is_standard:
        raise UsageError(f"{pack.ref}: expected a ref of your own, got that of a pack that is part of Attune")
    before = (old.loaded if old else None) or {}
    gone = {kind: sorted({*before.get(kind, {})} - {*pack.refs(kind)}) for kind in KINDS}
    if any(gone.values()):
        await connection.execute(_NO_EVENTS)
    await _store_files(connection, pack.ref, digest, files)
    changes = [await write_row(connection, "pack", pack.ref, _head(pack, digest))]
    pack_id: int = await read_value(connection, "SELECT id FROM pack WHERE ref = %s", (pack.ref,))
    written: dict[tuple[str, str], int] = {}
    ids = ChainMap(written, await _ids(connection, pack))
    for row in rows_of(pack, pack_id, ids):
        if row.enabled is not None:
            row.values["enabled"] = await _switch(connection, row, before.get(row.kind, {}))
        changes.append(await write_row(connection, TABLES[row.kind], row.ref, row.values))
        written |= await _ids_of(connection, row.kind, [row.ref])
    if cancel_waiting:
        changes += await cancel_old(connection, pack_id, await actions_of(connection, pack.refs("actions")))
    for kind in reversed(KINDS):
        changes += await remove_rows(connection, kind, gone[kind], pack_id)
    await connection.execute(
        "UPDATE pack SET loaded = %(new)s WHERE id = %(id)s AND loaded IS DISTINCT FROM %(new)s",
        {"new": Jsonb(_declared(pack)), "id": pack_id},
    )
    return [change for change in changes if change is not None]


def _head(pack: Pack, digest: str) -> dict[str, Any]:
    return {
        **{name: getattr(pack, name) for name in ("label", "description", "version")},
        **{name: Jsonb(getattr(pack, name)) for name in ("conf_schema", "config", "meta")},
        **{name: list(getattr(pack, name)) for name in ("tags", "runtime_deps")},
        "digest": digest,
    }


def _declared(pack: Pack) -> dict[str, dict[str, bool]]:
    """By kind and ref: whether the folder wants it switched on."""
    return {kind: {item.ref: getattr(item, "enabled", True) for item in getattr(pack, kind)} for kind in KINDS}


async def _switch(connection: AsyncConnection[Any], row: PackRow, before: Mapping[str, bool]) -> bool | None:
    """Whether the row is to be on: as it is, unless it is new or the folder has changed its mind."""
    query = f"SELECT enabled FROM {TABLES[row.kind]} WHERE ref = %s"
    enabled: bool | None = await read_value(connection, query, (row.ref,))
    return row.enabled if enabled is None or before.get(row.ref, row.enabled) != row.enabled else enabled


async def _store_files(connection: AsyncConnection[Any], ref: str, digest: str, files: Sequence[PackFile]) -> None:
    query = "INSERT INTO pack_version (digest, pack_ref) VALUES (%s, %s) ON CONFLICT DO NOTHING"
    if not await execute(connection, query, (digest, ref)):
        return
    async with connection.cursor() as writer:
        await writer.executemany(
            "INSERT INTO pack_file (digest, path, content, executable) VALUES (%s, %s, %s, %s)",
            [(digest, file.path, file.content, file.executable) for file in files],
        )


async def _ids(connection: AsyncConnection[Any], pack: Pack) -> dict[tuple[str, str], int]:
    """The ids of what *pack* refers to outside itself. Raises `UsageError` where one is gone."""
    items = (*pack.actions, *pack.sensors, *pack.rules)
    wanted = {f"{name}s": {str(getattr(item, f"{name}_ref", None) or "") for item in items} - {""} for name in REFERRED}
    ids: dict[tuple[str, str], int] = {}
    for kind, refs in wanted.items():
        foreign = refs - {*pack.refs(kind)}
        ids |= await _ids_of(connection, kind, sorted(foreign))
        missing = sorted(ref for ref in foreign if (kind, ref) not in ids)
        if missing:
            raise UsageError(
                f"expected {TABLES[kind]} {missing[0]}, which has been removed meanwhile", hint="load again"
            )
    return ids


async def _ids_of(connection: AsyncConnection[Any], kind: str, refs: Sequence[str]) -> dict[tuple[str, str], int]:
    ids = await read_pairs(connection, f"SELECT ref, id FROM {TABLES[kind]} WHERE ref = ANY(%s)", (list(refs),))
    return {(kind, ref): number for ref, number in ids.items()}
