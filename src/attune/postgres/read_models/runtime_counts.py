"""Where a runtime is, over the whole fleet: how many nodes have it in which state and in which version."""

from __future__ import annotations

from dataclasses import dataclass

from attune.core.ports.read_models import RuntimeCounts
from attune.postgres.connection import Pool
from attune.postgres.rows import read_all


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    ref: str
    status: str
    version: str
    nodes: int


async def read_runtime_counts(pool: Pool, ref: str | None = None) -> dict[str, RuntimeCounts]:
    """The coverage of every definition that some node has looked at, or of *ref* alone, by ref."""
    query = """
        SELECT r.runtime_ref AS ref, r.status, coalesce(r.version, '') AS version, count(*) AS nodes
        FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
        WHERE n.is_live AND (%(ref)s::text IS NULL OR r.runtime_ref = %(ref)s) GROUP BY 1, 2, 3 ORDER BY 4 DESC, 3
    """
    counts: dict[str, RuntimeCounts] = {}
    for row in await read_all(pool, _Count, query, {"ref": ref}):
        of_ref = counts.setdefault(row.ref, RuntimeCounts())
        of_ref.statuses[row.status] += row.nodes
        if row.version and row.status in ("available", "declared", "assumed"):
            of_ref.versions[row.version] += row.nodes
    return counts
