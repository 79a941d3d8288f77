"""Eligible nodes straight from the database, without loading the fleet.

The query looks for nodes that hold some capabilities and none of others; which ones a requirement comes to,
`requirement_sql.py` finds out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from attune.core.matching.capability_keys import Need
from attune.core.matching.requirement import Preference, Requirement
from attune.core.nodes.role import WORKER, Role
from attune.postgres.connection import Pool, translated
from attune.postgres.matching.requirement_sql import needs_of
from attune.postgres.rows import read_all, read_values

_NEAR = 1000  # how far down the ranking is looked before the whole index is


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
        limit: int = 10,
    ) -> Sequence[RankedNode]:
        """The best nodes that can take the work now: by weight of the preferences that hold, then load, then name."""
        with translated():
            async with self._pool.connection() as connection:
                need, wishes = await needs_of(connection, requirement, preferences, tolerations)
                if need.is_impossible:
                    return []
                query = _Query(self._role.name, need, wishes, limit)
                nodes = await query.near(connection)
                return await query.all(connection) if nodes is None else nodes

    async def eligible_ids(self, requirement: Requirement, *, tolerations: Iterable[str] = ()) -> Sequence[int]:
        """The ids of all nodes that can take the work now, in no order."""
        with translated():
            async with self._pool.connection() as connection:
                need, _ = await needs_of(connection, requirement, (), tolerations)
                return [] if need.is_impossible else await _Query(self._role.name, need, [], 0).ids(connection)


class _Query:
    """The SQL of one question, and its parameters."""

    def __init__(self, role: str, need: Need[int], wishes: Sequence[tuple[Need[int], int]], limit: int) -> None:
        self._parameters: dict[str, Any] = {"role": role, "limit": limit, "near": _NEAR}
        self._holds = self._condition(need)
        scores = [f"CASE WHEN {self._condition(wish)} THEN {weight} ELSE 0 END" for wish, weight in wishes]
        self._score = " + ".join(scores) or "0"
        self._highest = sum(weight for wish, weight in wishes if weight > 0)
        self._limit = limit

    def _condition(self, need: Need[int]) -> str:
        if need.is_impossible:
            return "false"
        parts = [f"held.capabilities && {self._array(ids)}" for ids in need.some]
        if need.none:
            parts.append(f"NOT held.capabilities && {self._array(need.none)}")
        return " AND ".join(parts) or "true"

    def _array(self, ids: list[int]) -> str:
        name = f"ids{len(self._parameters)}"
        self._parameters[name] = ids
        return f"%({name})s::integer[]"

    async def near(self, connection: AsyncConnection[Any]) -> Sequence[RankedNode] | None:
        """The answer, if it stands at the head of the ranking; None if it may not."""
        query = f"""
            SELECT place.worker AS id, place.name, {self._score} AS score, place.load
            FROM (SELECT worker, name, load FROM worker_load WHERE able AND role = %(role)s
                  ORDER BY load, name, worker LIMIT %(near)s) AS place
            -- OFFSET 0: looked up one by one, so that the first few nodes cost no more than themselves.
            CROSS JOIN LATERAL (SELECT capabilities FROM worker_capability
                                WHERE worker = place.worker OFFSET 0) AS held
            WHERE {self._holds} AND {self._score} = {self._highest}
            ORDER BY place.load, place.name, place.worker LIMIT %(limit)s
        """
        nodes = await self._fetch(connection, query)
        return nodes if len(nodes) == self._limit else None

    async def all(self, connection: AsyncConnection[Any]) -> Sequence[RankedNode]:
        """The answer from every node that holds what is needed."""
        query = f"""
            WITH fit AS MATERIALIZED (
                SELECT held.worker, {self._score} AS score FROM worker_capability AS held WHERE {self._holds})
            SELECT place.worker AS id, place.name, fit.score, place.load
            FROM fit JOIN worker_load AS place ON place.worker = fit.worker
            WHERE place.able AND place.role = %(role)s
            ORDER BY fit.score DESC, place.load, place.name, place.worker LIMIT %(limit)s
        """
        return await self._fetch(connection, query)

    async def ids(self, connection: AsyncConnection[Any]) -> Sequence[int]:
        query = f"""
            SELECT held.worker FROM worker_capability AS held JOIN worker_load AS place ON place.worker = held.worker
            WHERE {self._holds} AND place.able AND place.role = %(role)s
        """
        return await read_values(connection, query, self._parameters)

    async def _fetch(self, connection: AsyncConnection[Any], statement: str) -> Sequence[RankedNode]:
        return await read_all(connection, RankedNode, statement, self._parameters)
