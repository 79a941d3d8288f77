"""Eligible nodes straight from the database, without loading the fleet.

The query looks for nodes that hold some capabilities and none of others; which ones a requirement comes to,
`attune.postgres.matching.requirement_sql` finds out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from attune.core.matching.capability_keys import Need
from attune.core.matching.requirement import Preference, Requirement
from attune.core.nodes.role import WORKER, Role
from attune.postgres.connection import Pool
from attune.postgres.matching.requirement_sql import needs_of
from attune.postgres.rows import read_all


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedNode:
    """A node that can take the work now."""

    id: int
    name: str
    score: int
    load: float


class PostgresMatcher:
    """Matches requirements on the nodes of one role. `core.matching.match` is its specification."""

    def __init__(self, pool: Pool, role: Role = WORKER) -> None:
        self._pool = pool
        self._role = role

    async def eligible(
        self,
        requirement: Requirement,
        *,
        preferences: Sequence[Preference] = (),
        tolerations: Iterable[str] = (),
        limit: int | None = 10,
    ) -> Sequence[RankedNode]:
        """The best nodes that can take the work now: by weight of the preferences that hold, then load, then name.

        At most *limit*, None for all.
        """
        need, wishes = await needs_of(self._pool, requirement, preferences, tolerations)
        if need.is_impossible:
            return []
        parameters: dict[str, Any] = {"role": self._role.name, "limit": limit}
        scores = [f"CASE WHEN {_condition(wish, parameters)} THEN {weight} ELSE 0 END" for wish, weight in wishes]
        query = f"""
            WITH fit AS MATERIALIZED (
                SELECT held.worker, {" + ".join(scores) or "0"} AS score FROM worker_capability AS held
                WHERE {_condition(need, parameters)})
            SELECT place.worker AS id, place.name, fit.score, place.load
            FROM fit JOIN worker_load AS place ON place.worker = fit.worker
            WHERE place.able AND place.role = %(role)s
            ORDER BY fit.score DESC, place.load, place.name, place.worker LIMIT %(limit)s
        """
        return await read_all(self._pool, RankedNode, query, parameters)


def _condition(need: Need[int], parameters: dict[str, Any]) -> str:
    """SQL that holds of what fulfils *need*; the ids that it names are added to *parameters*."""
    if need.is_impossible:
        return "false"
    parts = []
    for ids, sign in (*((ids, "") for ids in need.some), (need.none, "NOT ")):
        if ids:
            name = f"ids{len(parameters)}"
            parameters[name] = ids
            parts.append(f"{sign}held.capabilities && %({name})s::integer[]")
    return " AND ".join(parts) or "true"
