"""What changed, in the order in which it became visible, and the channels that say that something did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from attune.postgres.connection import Pool
from attune.postgres.rows import read_all, read_value

CHANGED = "attune_change"
ANSWERED = "attune_answer"
TOKENS = "attune_token"
EXECUTIONS = "execution_change"
CHANNELS = (CHANGED, ANSWERED, TOKENS, EXECUTIONS)
"""What the API listens to."""


class Position(NamedTuple):
    """Where a change stands: nothing that becomes visible later stands before it."""

    transaction: int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """One change. `data` says what, in the words of `kind`; before one that is `settled` no other can appear."""

    transaction: int
    id: int
    kind: str
    data: dict[str, Any]
    at: datetime
    settled: bool = True

    @property
    def position(self) -> Position:
        return Position(self.transaction, self.id)


@dataclass(frozen=True, slots=True)
class ChangePage:
    """The next changes, and whether there is `more`, perhaps only after a transaction has ended."""

    changes: Sequence[ChangeRecord]
    more: bool


class PostgresChanges:
    """Reads table `change`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def end(self) -> Position:
        """Where a reader begins that wants only what comes."""
        transaction = await read_value(self._pool, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1")
        return Position(transaction, 2**63 - 1)

    async def since(self, position: Position, limit: int = 1000) -> ChangePage:
        """The changes after *position*, at most *limit*."""
        rows = await read_all(
            self._pool,
            ChangeRecord,
            """
            SELECT transaction::text::bigint, id, kind, data, at,
                   transaction < pg_snapshot_xmin(pg_current_snapshot()) AS settled
            FROM change WHERE (transaction, id) > (%s::text::xid8, %s) ORDER BY change.transaction, id LIMIT %s
            """,
            (*position, limit),
        )
        settled = [row for row in rows if row.settled]
        return ChangePage(settled, len(settled) < len(rows) or len(rows) == limit)

    async def reaches_back_to(self, position: Position) -> bool:
        """Whether nothing after *position* has been pruned."""
        query = """
            SELECT coalesce((SELECT min(id) FROM change) <= 1, true)
                OR EXISTS (SELECT FROM change WHERE (transaction, id) <= (%s::text::xid8, %s))
        """
        return bool(await read_value(self._pool, query, position))
