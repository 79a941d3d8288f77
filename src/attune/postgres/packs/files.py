"""The files of pack versions, read: the tables `pack_version` and `pack_file`."""

from __future__ import annotations

from collections.abc import Sequence

from attune.core.packs.files import PackFile
from attune.postgres.connection import Pool
from attune.postgres.rows import read_all, read_value


class PostgresPackFiles:
    """Files by the digest of their version."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def files(self, digest: str) -> Sequence[PackFile] | None:
        """The files of *digest*, None where there is no such version. Raises `DatabaseError`."""
        if not await read_value(self._pool, "SELECT true FROM pack_version WHERE digest = %s", (digest,)):
            return None
        query = "SELECT path, content, executable FROM pack_file WHERE digest = %s ORDER BY path"
        return await read_all(self._pool, PackFile, query, (digest,))
