"""The figures of a whole fleet, for graphs and alarms. What it costs is bounded: a slow database is asked seldom."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection

from attune.core.nodes.fleet_losses import RuntimeLoss
from attune.core.ports.read_models import PROBE_BUCKETS, FleetMetrics, Probes
from attune.postgres.connection import Pool
from attune.postgres.nodes.fleet_losses import read_losses
from attune.postgres.rows import read_all, read_pairs, read_value, transaction

_FRESH_SECONDS = 5.0
_SHARE = 20  # at most that part of the time is spent on reading
_TIMEOUT_SECONDS = 10
_VERSIONS = 50  # of a runtime; the rarer ones count together
_CLASSES = 50  # and statuses; the rarer ones count together
_SETTLED_SECONDS = 60  # no transaction that writes a transition lasts that long
_RUNTIMES = """
    SELECT (name, status, CASE WHEN turn <= %(most)s THEN version ELSE 'other' END), sum(number)::bigint FROM (
        SELECT r.name, r.status, coalesce(r.version, '') AS version, count(*) AS number,
               row_number() OVER (PARTITION BY r.name ORDER BY count(*) DESC, r.version) AS turn
        FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker WHERE n.is_live GROUP BY 1, 2, 3, r.version
    ) AS counted GROUP BY 1
"""
_EXECUTIONS = """
    SELECT (CASE WHEN turn <= %(most)s THEN requirement ELSE 'other' END, status) AS labels,
           ARRAY[sum(number), coalesce(sum(number) FILTER (WHERE lone), 0)]::bigint[] FROM (
        SELECT coalesce(requirement, '') AS requirement, status::text AS status, count(*) AS number,
               status = 'requested' AND NOT is_live(e.queue) AS lone,
               row_number() OVER (ORDER BY count(*) DESC, requirement) AS turn
        FROM execution AS e
        WHERE policy IS NOT NULL AND status IN ('requested', 'scheduling', 'scheduled', 'running', 'canceling')
        GROUP BY e.requirement, e.status, e.queue
    ) AS counted GROUP BY 1
"""
_PROBES = f"""
    SELECT name, ARRAY[{", ".join(f"count(*) FILTER (WHERE seconds < {bound})" for bound in PROBE_BUCKETS)}] AS counts,
           count(*) AS total, sum(seconds) AS seconds FROM (
        SELECT r.name, (r.evidence ->> 'duration_ms')::float8 / 1000 AS seconds
        FROM worker_runtime AS r JOIN node AS n ON n.id = r.worker
        WHERE n.is_live AND jsonb_typeof(r.evidence -> 'duration_ms') = 'number') AS probe
    GROUP BY name ORDER BY name
"""


class PostgresMetrics:
    """Reads the figures, and remembers them for a moment."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reading = asyncio.Lock()
        self._known: tuple[FleetMetrics, float] | None = None
        self._tally: dict[tuple[str, str], int] = {}
        self._tallied = 0

    async def metrics(self) -> FleetMetrics:
        async with self._reading:
            began = time.monotonic()
            if self._known is not None and began < self._known[1]:
                return self._known[0]
            async with transaction(self._pool) as connection:
                await connection.execute(f"SET LOCAL statement_timeout = '{_TIMEOUT_SECONDS}s'".encode())
                metrics = await self._read(connection)
            took = time.monotonic() - began
            self._known = metrics, time.monotonic() + max(_FRESH_SECONDS, took * _SHARE)
            return metrics

    async def _read(self, connection: AsyncConnection[Any]) -> FleetMetrics:
        executions = await read_pairs(connection, _EXECUTIONS, {"most": _CLASSES})
        return FleetMetrics(
            workers=await read_pairs(connection, "SELECT (role, status), count(*) FROM node GROUP BY role, status"),
            runtimes=await read_pairs(connection, _RUNTIMES, {"most": _VERSIONS}),
            probes=await read_all(connection, Probes, _PROBES),
            transitions=await self._transitions(connection),
            executions={labels: count for labels, (count, _) in executions.items()},
            without_worker=sum(lone for _, lone in executions.values()),
            dead_letters=await read_pairs(connection, "SELECT ROW(kind), count(*) FROM dead_letter GROUP BY kind"),
            refusing_nodes=await read_value(connection, "SELECT count(*) FROM refusing_node"),
            pending_events=await read_value(connection, "SELECT count(*) FROM event WHERE pending"),
            paused_rules=await read_value(connection, "SELECT count(*) FROM rule WHERE enabled AND paused IS NOT NULL"),
            losses=_counted(await read_losses(connection)),
            removed=await read_pairs(connection, "SELECT ROW(kind), removed FROM retention"),
        )

    async def _transitions(self, connection: AsyncConnection[Any]) -> Mapping[tuple[str, str], int]:
        """All that there ever were since this process began to count; those that may still be joined by others anew."""
        query = """
            SELECT (t.name, t.to_status) AS labels,
                   ARRAY[count(*), count(*) FILTER (WHERE t.id <= settled.id), max(settled.id)]
            FROM runtime_transition AS t,
                 (SELECT coalesce(max(id), 0) AS id FROM runtime_transition
                  WHERE id > %(tallied)s AND at < now() - %(settled)s * interval '1 second') AS settled
            WHERE t.id > %(tallied)s GROUP BY t.name, t.to_status
        """
        counts = dict(self._tally)
        parameters = {"tallied": self._tallied, "settled": _SETTLED_SECONDS}
        for labels, (count, settled, last) in (await read_pairs(connection, query, parameters)).items():
            counts[labels] = counts.get(labels, 0) + count
            self._tally[labels] = self._tally.get(labels, 0) + settled
            self._tallied = max(self._tallied, last)
        return counts


def _counted(losses: Sequence[RuntimeLoss]) -> Mapping[tuple[str, str, str], int]:
    kept = {(loss.role, loss.ref, "kept"): loss.kept for loss in losses}
    return kept | {(loss.role, loss.ref, "lost"): loss.losing - loss.kept for loss in losses}
