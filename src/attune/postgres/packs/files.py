"""The files of pack versions, read: the tables `pack_version` and `pack_file`."""

from __future__ import annotations

from collections.abc import Sequence

from attune.core.packs.files import PackFile
from attune.postgres.connection import Pool, translated


class PostgresPackFiles:
    """Files by the digest of their version."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def files(self, digest: str) -> Sequence[PackFile] | None:
        """The files of *digest*, None where there is no such version. Raises `DatabaseError`."""
        with translated():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    """
                    SELECT f.path, f.content, f.executable
                    FROM pack_version AS v LEFT JOIN pack_file AS f USING (digest) WHERE v.digest = %s
                    """,
                    (digest,),
                )
                rows = await cursor.fetchall()
        return (
            [PackFile(path, bytes(content), executable) for path, content, executable in rows if path] if rows else None
        )
