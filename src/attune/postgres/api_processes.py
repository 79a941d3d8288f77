"""The table `api_process`: who serves the API."""

from collections.abc import Sequence

from attune.core.ports.installation import ApiProcess
from attune.postgres.rows import PostgresStore, execute, read_all


class PostgresApiProcesses(PostgresStore):
    """`ApiProcesses` on PostgreSQL."""

    async def note(self, address: str, process: int | None) -> None:
        query = """
            WITH gone AS (
                DELETE FROM api_process WHERE CASE address WHEN %(address)s THEN %(process)s::integer IS NULL
                    ELSE heard_at < now() - interval '1 day' END)
            INSERT INTO api_process (address, process)
            SELECT %(address)s, %(process)s::integer WHERE %(process)s::integer IS NOT NULL
            ON CONFLICT (address) DO UPDATE SET process = excluded.process, heard_at = now()
        """
        await execute(self._pool, query, {"address": address, "process": process})

    async def known(self) -> Sequence[ApiProcess]:
        query = """
            SELECT address, process, extract(epoch FROM now() - heard_at)::float8 AS age
            FROM api_process ORDER BY address
        """
        return await read_all(self._pool, ApiProcess, query)
