"""The table `runtime`: reading and changing definitions, and the history of every change."""

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.errors import InUseError
from attune.core.ports.runtimes import RuntimeChange
from attune.core.runtimes.runtime import Runtime
from attune.postgres.packs.rows import USERS
from attune.postgres.rows import PostgresStore, execute, read_all, read_one, read_value, read_values, transaction

_OFFERING = """
    SELECT node.role || ' ' || node.name FROM node JOIN worker_runtime AS offer ON offer.worker = node.id
    WHERE offer.runtime_ref = %(ref)s AND offer.status IN ('available', 'assumed', 'declared') AND node.is_live
    ORDER BY 1
"""
_COLUMNS = "id, ref, name, pack, pack_ref, description, distributions, installation"


_EARLIER_COMMANDS = {
    "core.python": [
        {"binary": name, "args": ["--version"], "exit_code": 0, "pattern": "Python 3\\.", "priority": place}
        for place, name in enumerate(("python3", "python"), 1)
    ]
}
"""What was shipped before, by ref."""


class PostgresRuntimes(PostgresStore):
    """`RuntimeCatalog` and `RuntimeStore` on PostgreSQL."""

    async def list_runtimes(self) -> Sequence[Runtime]:
        return await read_all(self._pool, Runtime, f"SELECT {_COLUMNS} FROM runtime ORDER BY ref")

    async def get_runtime(self, ref: str) -> Runtime | None:
        return await read_one(self._pool, Runtime, f"SELECT {_COLUMNS} FROM runtime WHERE ref = %s", (ref,))

    async def save_runtime(self, runtime: Runtime, *, changed_by: str) -> bool:
        return await self.change_runtime(runtime.ref, lambda _old: runtime, changed_by=changed_by)

    async def change_runtime(self, ref: str, change: Callable[[Runtime | None], Runtime], *, changed_by: str) -> bool:
        async with transaction(self._pool) as connection:
            old = await _locked(connection, ref, changed_by)
            runtime = change(old)
            query = """
                INSERT INTO runtime (ref, pack, pack_ref, description, name, distributions, installation)
                VALUES (%(ref)s, (SELECT id FROM pack WHERE ref = %(pack_ref)s), %(pack_ref)s,
                        %(description)s, %(name)s, %(distributions)s, %(installation)s)
                ON CONFLICT (ref) DO UPDATE SET
                    pack = excluded.pack, pack_ref = excluded.pack_ref, description = excluded.description,
                    name = excluded.name, distributions = excluded.distributions,
                    installation = excluded.installation
            """
            await connection.execute(query, _values(runtime) | {"ref": ref})
            return old is None

    async def remove_runtime(
        self,
        ref: str,
        *,
        changed_by: str,
        expecting: Callable[[Runtime], None] = lambda _old: None,
        force: bool = False,
    ) -> bool:
        async with transaction(self._pool) as connection:
            old = await _locked(connection, ref, changed_by)
            if old is None:
                return False
            expecting(old)
            users = await read_values(connection, USERS["runtime"], {"id": old.id})
            offering = [] if force else await read_values(connection, _OFFERING, {"ref": ref})
            if named := [*users, *offering]:
                raise InUseError(
                    f"{ref} is in use by {', '.join(named[:10])}{' …' if len(named) > 10 else ''}",
                    hint="move them to another runtime first" if users else f"attune runtime remove --force {ref}",
                )
            await connection.execute("DELETE FROM runtime WHERE id = %s", (old.id,))
            return True

    async def runtime_history(self, ref: str) -> Sequence[RuntimeChange]:
        query = """
            SELECT runtime_ref AS ref, operation, old, new, changed_by, changed_at, note
            FROM runtime_history WHERE runtime_ref = %s ORDER BY id DESC
        """
        return await read_all(self._pool, RuntimeChange, query, (ref,))

    async def seed(self, version: str, label: str, runtimes: Sequence[Runtime]) -> list[str]:
        """Give a database the core pack's definitions once for each shipped *version*; the refs that were written.

        A row that is there stays as it is, but where its commands are as they are or were shipped: then they become
        those of the newer version, and the keys of its verification that this adds are added. One that an operator
        removed after it was seeded stays removed.
        """
        async with transaction(self._pool) as connection:
            await connection.execute("SELECT set_config('attune.changed_by', 'attune (core pack)', true)")
            query = """
                INSERT INTO pack (ref, label, description, version, is_standard)
                VALUES ('core', %s, 'The runtimes that every installation has', '1.0.0', true)
                ON CONFLICT (ref) DO UPDATE SET ref = excluded.ref
                RETURNING meta->>'attune_definitions'
            """
            seeded = await read_value(connection, query, (label,))
            if seeded == version:
                return []
            new = seeded is None
            written = [runtime.ref for runtime in runtimes if await _seed_one(connection, runtime, new=new)]
            query = (
                "UPDATE pack SET meta = meta || jsonb_build_object('attune_definitions', %s::text) WHERE ref = 'core'"
            )
            await connection.execute(query, (version,))
            return written


async def _locked(connection: AsyncConnection[Any], ref: str, changed_by: str) -> Runtime | None:
    """The row of *ref*, which stays as it is, or absent, until the transaction ends."""
    await connection.execute("SELECT set_config('attune.changed_by', %s, true)", (changed_by,))
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('attune runtime ' || %s, 0))", (ref,))
    return await read_one(connection, Runtime, f"SELECT {_COLUMNS} FROM runtime WHERE ref = %s FOR UPDATE", (ref,))


async def _seed_one(connection: Any, runtime: Runtime, *, new: bool) -> bool:
    query = """
        INSERT INTO runtime AS old (ref, pack, pack_ref, description, name, distributions)
        SELECT %(ref)s, (SELECT id FROM pack WHERE ref = 'core'), 'core', %(description)s, %(name)s, %(distributions)s
        WHERE %(new)s OR EXISTS (SELECT FROM runtime WHERE ref = %(ref)s)
        ON CONFLICT (ref) DO UPDATE SET
            distributions = CASE WHEN old.distributions #> '{verification,commands}' = %(earlier)s
                THEN jsonb_set(old.distributions, '{verification}', excluded.distributions->'verification'
                    || ((old.distributions->'verification') - 'commands'))
                WHEN old.distributions ? 'verification'
                THEN jsonb_set(old.distributions, '{verification}',
                    excluded.distributions->'verification' || (old.distributions->'verification'))
                ELSE excluded.distributions
                    || CASE jsonb_typeof(old.distributions) WHEN 'object' THEN old.distributions ELSE '{}' END END
        WHERE NOT coalesce(old.distributions ? 'verification', false)
            OR old.distributions #> '{verification,commands}' = %(earlier)s
            OR (old.distributions #> '{verification,commands}' = excluded.distributions #> '{verification,commands}'
                AND NOT old.distributions->'verification' ?&
                    ARRAY(SELECT jsonb_object_keys(excluded.distributions->'verification')))
    """
    earlier = Jsonb(_EARLIER_COMMANDS.get(runtime.ref))
    return bool(await execute(connection, query, {**_values(runtime), "new": new, "earlier": earlier}))


def _values(runtime: Runtime) -> dict[str, Any]:
    """The columns of a row, but for the id of its pack."""
    installation = None if runtime.installation is None else Jsonb(runtime.installation)
    plain = {name: getattr(runtime, name) for name in ("ref", "pack_ref", "description", "name")}
    return {**plain, "distributions": Jsonb(runtime.distributions), "installation": installation}
