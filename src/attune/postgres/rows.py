"""Runs statements and reads their rows as records: the columns of a query are named like the fields of its record.

Every function takes a pool, whose errors become `DatabaseError`, or a connection, whose transaction and errors are the
caller's. JSON that Python cannot take in is read as `UnreadableJson`, a time that it does not have as the nearest.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from psycopg import AsyncConnection, AsyncCursor, DataError, adapters
from psycopg.adapt import Buffer, Loader
from psycopg.rows import AsyncRowFactory, kwargs_row, scalar_row, tuple_row
from psycopg.types.json import set_json_loads

from attune.core.ports.access import SecretCipher
from attune.postgres.connection import Pool, session, translated

_DEEPEST = 100

Source = Pool | AsyncConnection[Any]
Parameters = Sequence[Any] | Mapping[str, Any]
Record = TypeVar("Record")
Make = Callable[..., Record]


class PostgresStore:
    """What reads and writes on *pool*. *cipher* is for what is secret.

    *lease* gives the number of the lease under which a node begins anything; None is under any.
    """

    def __init__(
        self, pool: Pool, cipher: SecretCipher | None = None, lease: Callable[[], int | None] = lambda: None
    ) -> None:
        self._pool = pool
        self._cipher: Any = cipher
        self._lease = lease


class UnreadableJson(str):
    """Stands for JSON that PostgreSQL holds and Python cannot take in; it says what is the matter with it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def without_secrets(values: str, schema: str) -> str:
    """SQL for the object *values* with `***` for what *schema* marks secret, unless it names a stored secret."""
    return f"""
        CASE WHEN jsonb_typeof({values}) = 'object' THEN (
            SELECT coalesce(jsonb_object_agg(v.key, CASE
                WHEN {schema} #> ARRAY['properties', v.key, 'secret'] = 'true' AND v.value::text NOT LIKE '"secret:%%'
                THEN '"***"' ELSE v.value END), '{{}}')
            FROM jsonb_each({values}) AS v) ELSE '{{}}' END"""


async def read_all(source: Source, record: Make[Record], query: str, parameters: Parameters = ()) -> list[Record]:
    """Every row of *query*, each as what *record* makes of its columns, given as keyword arguments."""
    async with _executed(source, kwargs_row(record), query, parameters) as cursor:
        return await cursor.fetchall()


async def read_one(source: Source, record: Make[Record], query: str, parameters: Parameters = ()) -> Record | None:
    """The first row of *query* as what *record* makes of it, None if there is none."""
    async with _executed(source, kwargs_row(record), query, parameters) as cursor:
        return await cursor.fetchone()


async def read_values(source: Source, query: str, parameters: Parameters = ()) -> list[Any]:
    """The first column of every row of *query*."""
    async with _executed(source, scalar_row, query, parameters) as cursor:
        return await cursor.fetchall()


async def read_value(source: Source, query: str, parameters: Parameters = ()) -> Any:
    """The first column of the first row of *query*, None if there is no row."""
    async with _executed(source, scalar_row, query, parameters) as cursor:
        return await cursor.fetchone()


async def read_pairs(source: Source, query: str, parameters: Parameters = ()) -> dict[Any, Any]:
    """The rows of *query*, which has two columns, as a mapping of the first to the second."""
    async with _executed(source, tuple_row, query, parameters) as cursor:
        return dict(await cursor.fetchall())


async def execute(source: Source, query: str, parameters: Parameters = ()) -> int:
    """Run *query*; the number of rows that it wrote or found."""
    async with _executed(source, tuple_row, query, parameters) as cursor:
        return cursor.rowcount


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of *pool* in a transaction that ends with the block. Raises `DatabaseError`."""
    with translated():
        async with session(pool) as connection, connection.transaction():
            yield connection


@asynccontextmanager
async def _executed(
    source: Source, row_factory: AsyncRowFactory[Any], query: str, parameters: Parameters
) -> AsyncIterator[AsyncCursor[Any]]:
    if not isinstance(source, AsyncConnection):
        with translated():
            async with session(source) as connection, _executed(connection, row_factory, query, parameters) as cursor:
                yield cursor
        return
    async with source.cursor(row_factory=row_factory) as cursor:
        set_json_loads(_loads, cursor)
        cursor.adapters.register_loader("timestamptz", _Times)
        # Without parameters a `%` in *query* stands for itself.
        await cursor.execute(query.encode(), parameters or None)
        yield cursor


def _loads(text: str | bytes) -> Any:
    """The value of *text*, which is valid JSON; an `UnreadableJson` if it is too deep or its numbers are too long."""
    try:
        value = json.loads(text)
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return UnreadableJson("JSON with a number of thousands of digits")
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return _TOO_DEEP if level else value


class _Times(Loader):
    """Reads times; `infinity` and years beyond 1 to 9999 as the first or the last that fits any zone."""

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        self._load = adapters.get_loader(oid, self.format)(oid, context).load  # type: ignore[misc]

    def load(self, data: Buffer) -> Any:
        try:
            return self._load(data)
        except DataError:
            early = bytes(data).startswith(b"-") or bytes(data).endswith(b"BC")
            return datetime(1, 1, 3, tzinfo=UTC) if early else datetime(9999, 12, 29, tzinfo=UTC)


_TOO_DEEP = UnreadableJson(f"JSON nested more than {_DEEPEST} levels deep")
