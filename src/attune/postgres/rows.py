"""Runs statements and reads their rows as records: the columns of a query are named like the fields of its record.

Every function takes a pool, whose errors become `DatabaseError`, or a connection, whose transaction and errors are the
caller's. JSON that Python cannot take in is read as `UnreadableJson`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import AsyncRowFactory, kwargs_row, scalar_row, tuple_row

from attune.postgres.connection import Pool, translated
from attune.postgres.json_values import tolerate

Source = Pool | AsyncConnection[Any]
Parameters = Sequence[Any] | Mapping[str, Any]
Record = TypeVar("Record")
Make = Callable[..., Record]


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
        async with pool.connection() as connection, connection.transaction():
            yield connection


@asynccontextmanager
async def _executed(
    source: Source, row_factory: AsyncRowFactory[Any], query: str, parameters: Parameters
) -> AsyncIterator[AsyncCursor[Any]]:
    if not isinstance(source, AsyncConnection):
        with translated():
            async with (
                source.connection() as connection,
                _executed(connection, row_factory, query, parameters) as cursor,
            ):
                yield cursor
        return
    async with source.cursor(row_factory=row_factory) as cursor:
        tolerate(cursor)
        # Without parameters a `%` in *query* stands for itself.
        await cursor.execute(query.encode(), parameters or None)
        yield cursor
