"""Where a runtime is, over the whole fleet: how many nodes have it in which state and in which version."""

from __future__ import annotations

from dataclasses import dataclass

from attune.postgres.connection import Pool, translated


@dataclass(frozen=True, slots=True)
class RuntimeCounts:
    """Counts of nodes that are not gone. `nodes` is the whole fleet of the roles that verify the runtime."""

    statuses: dict[str, int]
    versions: dict[str, int]
    nodes: int


async def runtime_counts_of(pool: Pool, ref: str) -> RuntimeCounts:
    """The coverage of the definition *ref*."""
    query = """
        SELECT r.status, coalesce(r.version, ''), count(*) FROM worker_runtime AS r JOIN worker AS w ON w.id = r.worker
        WHERE r.runtime_ref = %s AND coalesce(w.status::text, 'inactive') NOT IN ('inactive', 'lost')
        GROUP BY 1, 2 ORDER BY 3 DESC, 2
    """
    statuses: dict[str, int] = {}
    versions: dict[str, int] = {}
    with translated():
        async with pool.connection() as connection:
            for status, version, count in await (await connection.execute(query, (ref,))).fetchall():
                statuses[status] = statuses.get(status, 0) + count
                if version and status in ("available", "declared", "assumed"):
                    versions[version] = versions.get(version, 0) + count
    return RuntimeCounts(statuses, versions, sum(statuses.values()))


async def all_runtime_counts(pool: Pool) -> dict[str, RuntimeCounts]:
    """The coverage of every definition that some node has looked at, by ref."""
    query = """
        SELECT r.runtime_ref, r.status, coalesce(r.version, ''), count(*)
        FROM worker_runtime AS r JOIN worker AS w ON w.id = r.worker
        WHERE coalesce(w.status::text, 'inactive') NOT IN ('inactive', 'lost') GROUP BY 1, 2, 3 ORDER BY 4 DESC, 3
    """
    found: dict[str, RuntimeCounts] = {}
    with translated():
        async with pool.connection() as connection:
            for ref, status, version, count in await (await connection.execute(query)).fetchall():
                old = found.get(ref, RuntimeCounts({}, {}, 0))
                old.statuses[status] = old.statuses.get(status, 0) + count
                if version and status in ("available", "declared", "assumed"):
                    old.versions[version] = old.versions.get(version, 0) + count
                found[ref] = RuntimeCounts(old.statuses, old.versions, old.nodes + count)
    return found
