"""What changed, in the order in which it became visible, and the channels that say that something did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from attune.postgres.connection import Pool, connect, translated

CHANGED = "attune_change"
ANSWERED = "attune_answer"
TOKENS = "attune_token"
EXECUTIONS = "execution_change"
CHANNELS = (CHANGED, ANSWERED, TOKENS, EXECUTIONS)

Position = tuple[int, int]
"""Transaction and id of a change: nothing that becomes visible later stands before it."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One change. `data` says what, in the words of `kind`."""

    position: Position
    kind: str
    data: dict[str, Any]
    at: datetime


class PostgresChanges:
    """Reads table `change`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def end(self) -> Position:
        """Where a reader begins that wants only what comes."""
        rows = await self._rows(
            "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1), 9223372036854775807"
        )
        return int(rows[0][0]), int(rows[0][1])

    async def since(self, position: Position, limit: int = 1000) -> tuple[Sequence[ChangeRecord], bool]:
        """The next changes, and whether there is more that cannot be told before a transaction ends."""
        rows = await self._rows(
            """
            SELECT transaction::text::bigint, id, kind, data, at,
                   transaction < pg_snapshot_xmin(pg_current_snapshot())
            FROM change WHERE (transaction, id) > (%s::text::xid8, %s) ORDER BY transaction, id LIMIT %s
            """,
            position[0],
            position[1],
            limit,
        )
        settled = [ChangeRecord((row[0], row[1]), row[2], row[3], row[4]) for row in rows if row[5]]
        return settled, len(settled) < len(rows) or len(rows) == limit

    async def reaches_back_to(self, position: Position) -> bool:
        """Whether nothing after *position* has been pruned."""
        rows = await self._rows(
            """
            SELECT coalesce((SELECT min(id) FROM change) <= 1, true)
                OR EXISTS (SELECT FROM change WHERE (transaction, id) <= (%s::text::xid8, %s))
            """,
            *position,
        )
        return bool(rows[0][0])

    async def _rows(self, query: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        with translated():
            async with self._pool.connection() as connection:
                return await (await connection.execute(query.encode(), parameters)).fetchall()


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection that listens to all `CHANNELS`. Raises `DatabaseError`."""
    connection = await connect(url, application_name="attune api (listening)")
    try:
        with translated():
            for channel in CHANNELS:
                await connection.execute(f"LISTEN {channel}".encode())
            yield connection
    finally:
        await connection.close()
