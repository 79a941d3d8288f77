"""The table `api_process`: who serves the API, as each process tells of itself."""

from attune.postgres.connection import Pool
from attune.postgres.rows import execute, read_pairs


async def note_api(pool: Pool, address: str, process: int | None) -> None:
    """Note that *process* serves at *address*, None that nobody is to; who was silent for a day is forgotten."""
    query = """
        WITH gone AS (
            DELETE FROM api_process WHERE CASE address WHEN %(address)s THEN %(process)s::integer IS NULL
                ELSE heard_at < now() - interval '1 day' END)
        INSERT INTO api_process (address, process)
        SELECT %(address)s, %(process)s::integer WHERE %(process)s::integer IS NOT NULL
        ON CONFLICT (address) DO UPDATE SET process = excluded.process, heard_at = now()
    """
    await execute(pool, query, {"address": address, "process": process})


async def silent_apis(pool: Pool, seconds: float) -> dict[str, float]:
    """Those that were not heard of for over *seconds*, and for how many."""
    query = """
        SELECT format('process %%s, which served %%s', process, address), extract(epoch FROM now() - heard_at)::float8
        FROM api_process WHERE heard_at < now() - %s * interval '1 second' ORDER BY address
    """
    return await read_pairs(pool, query, (seconds,))
