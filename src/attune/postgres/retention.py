"""What has ended, and its removal, on PostgreSQL: the functions `expired` and `remove_expired` of the schema."""

from collections.abc import Mapping, Sequence

from psycopg.types.json import Jsonb

from attune.core.ports.installation import RetainedRows
from attune.postgres.rows import PostgresStore, read_all, read_value


class PostgresRetention(PostgresStore):
    """`RetentionStore` on PostgreSQL."""

    async def remove_expired(self, kind: str, most: int, keep_seconds: float) -> int:
        return int(await read_value(self._pool, "SELECT remove_expired(%s, %s, %s)", (kind, most, keep_seconds)))

    async def retained(
        self, keep: Mapping[str, float], grace_seconds: float = 0.0, most: int | None = None
    ) -> Sequence[RetainedRows]:
        query = """
            SELECT r.kind, k.seconds AS keep_seconds, r.removed, CASE
                WHEN k.seconds > 0 AND b.before > r.since THEN (SELECT count(*) FROM expired(r.kind, b.before, %s))
                ELSE 0 END AS expired
            FROM retention AS r
            CROSS JOIN LATERAL (SELECT coalesce((%s ->> r.kind)::float8, r.keep_seconds) AS seconds) AS k
            CROSS JOIN LATERAL (SELECT now() - (k.seconds + %s) * interval '1 second' AS before) AS b
            ORDER BY r.kind
        """
        return await read_all(self._pool, RetainedRows, query, (most, Jsonb(keep), grace_seconds))
