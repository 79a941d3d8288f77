"""`FleetPages` on PostgreSQL: the read models of the whole fleet in one place."""

from __future__ import annotations

from collections.abc import Mapping

from attune.core.nodes.role import Role
from attune.core.ports.read_models import FleetFigures, FleetMatrix, FleetMetrics, NodeFilter, RuntimeCounts
from attune.postgres.connection import Pool
from attune.postgres.read_models.fleet_matrix import read_figures, read_matrix
from attune.postgres.read_models.metrics import PostgresMetrics
from attune.postgres.read_models.runtime_counts import read_runtime_counts


class PostgresFleetPages:
    """`FleetPages` on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._metrics = PostgresMetrics(pool)

    async def matrix(self, role: Role, wanted: NodeFilter, *, skip: int = 0, limit: int = 200) -> FleetMatrix:
        return await read_matrix(self._pool, role, wanted, skip=skip, limit=limit)

    async def figures(self) -> FleetFigures:
        return await read_figures(self._pool)

    async def runtime_counts(self, ref: str | None = None) -> Mapping[str, RuntimeCounts]:
        return await read_runtime_counts(self._pool, ref)

    async def metrics(self) -> FleetMetrics:
        return await self._metrics.read()
