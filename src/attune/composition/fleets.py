"""The fleet as the matcher sees it, for programs that embed Attune: `attune.load_fleet`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from attune.core.errors import UsageError
from attune.core.matching.fleet import Node
from attune.core.nodes.role import ROLES

if TYPE_CHECKING:
    from attune.postgres.connection import Pool


async def load_fleet(source: Pool | str, role: str = "worker") -> Sequence[Node]:
    """All nodes of one role, `worker` or `sensor`, as `match` and `explain` take them.

    *source* is an open psycopg `AsyncConnectionPool`, or the URL of a database.

    Raises `UsageError` for another role, `DatabaseError` where the database cannot be reached or is not migrated.
    """
    if role not in ROLES:
        raise UsageError(f"role: expected {' or '.join(ROLES)}, got {role!r}")
    from attune.postgres.connection import open_pool
    from attune.postgres.nodes.registry import PostgresNodes

    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(source, size=1)) if isinstance(source, str) else source
        return await PostgresNodes(pool).fleet(ROLES[role])
