"""Table `change`, and the channels that say that something changed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attune.core.ports.changes import (
    ANSWERED,
    CHANGED,
    EXECUTIONS,
    TOKENS,
    ChangePage,
    ChangePosition,
    ChangeRecord,
    Notice,
)
from attune.postgres.connection import listening
from attune.postgres.rows import PostgresStore, read_all, read_value


class PostgresChanges(PostgresStore):
    """`ChangeLog` on PostgreSQL."""

    async def end(self) -> ChangePosition:
        transaction = await read_value(self._pool, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1")
        return ChangePosition(transaction, 2**63 - 1)

    async def since(self, position: ChangePosition, limit: int = 1000) -> ChangePage:
        query = """
            SELECT transaction::text::bigint, id, kind, data, at,
                   transaction < pg_snapshot_xmin(pg_current_snapshot()) AS settled
            FROM change WHERE (transaction, id) > (%s::text::xid8, %s) ORDER BY change.transaction, id LIMIT %s
        """
        rows = await read_all(self._pool, ChangeRecord, query, (*position, limit))
        settled = [row for row in rows if row.settled]
        return ChangePage(settled, len(settled) < len(rows) or len(rows) == limit)

    async def reaches_back_to(self, position: ChangePosition) -> bool:
        query = """
            SELECT coalesce((SELECT min(id) FROM change) <= 1, true)
                OR EXISTS (SELECT FROM change WHERE (transaction, id) <= (%s::text::xid8, %s))
        """
        return bool(await read_value(self._pool, query, position))

    @asynccontextmanager
    async def notices(self) -> AsyncIterator[AsyncIterator[Notice]]:
        channels = (CHANGED, ANSWERED, TOKENS, EXECUTIONS)
        async with listening(self._pool, channels, "attune api (listening)") as connection:
            yield (Notice(notice.channel, notice.payload) async for notice in connection.notifies())
