"""Runs one statement on a connection of a pool, in a transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.rows import dict_row

from attune.postgres.connection import Pool, translated
from attune.postgres.json_values import tolerate


class Statements:
    """Statements on *pool*, with their parameters by name. All raise `DatabaseError`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rows(self, query: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of *query*, by column."""
        with translated():
            async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
                tolerate(cursor)
                await cursor.execute(query.encode(), given)
                return await cursor.fetchall()

    async def count(self, query: str, given: Mapping[str, Any]) -> int:
        """How many rows *query* has changed."""
        with translated():
            async with self._pool.connection() as connection:
                return (await connection.execute(query.encode(), given)).rowcount
