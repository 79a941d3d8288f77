"""The figures of a whole fleet, for graphs and alarms. What it costs is bounded: a slow database is asked seldom."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from attune.postgres.connection import Pool, translated
from attune.postgres.executions.store import LIVE

PROBE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_FRESH_SECONDS = 5.0
_SHARE = 20  # at most that part of the time is spent on reading
_TIMEOUT_SECONDS = 10
_VERSIONS = 50  # of a runtime; the rarer ones count together
_CLASSES = 50  # and statuses; the rarer ones count together
_SETTLED_SECONDS = 60  # no transaction that writes a transition lasts that long
_LIVE = "coalesce(w.status::text, 'inactive') NOT IN ('inactive', 'lost')"
_ROLE = "CASE w.worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END"


@dataclass(frozen=True, slots=True)
class Probes:
    """How long the latest check of a runtime took on each node: how many took at most each of `PROBE_BUCKETS`."""

    counts: Sequence[int]
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FleetMetrics:
    """Counts by their labels: (role, status), (runtime, status, version), runtime, (runtime, status), (class, status).

    `executions` are those that have not ended; `without_worker` of them wait for a class that no live worker reads.
    """

    workers: Mapping[tuple[str, str], int]
    runtimes: Mapping[tuple[str, str, str], int]
    probes: Mapping[str, Probes]
    transitions: Mapping[tuple[str, str], int]
    executions: Mapping[tuple[str, str], int]
    without_worker: int


class PostgresMetrics:
    """Reads the figures, and remembers them for a moment."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reading = asyncio.Lock()
        self._known: tuple[FleetMetrics, float] | None = None
        self._tally: dict[tuple[str, str], int] = {}
        self._tallied = 0

    async def read(self) -> FleetMetrics:
        """The figures, at most a few seconds old. Raises `DatabaseError`."""
        async with self._reading:
            began = time.monotonic()
            if self._known is not None and began < self._known[1]:
                return self._known[0]
            with translated():
                async with self._pool.connection() as connection, connection.transaction():
                    await connection.execute(f"SET LOCAL statement_timeout = '{_TIMEOUT_SECONDS}s'".encode())
                    found = await self._read(connection)
            took = time.monotonic() - began
            self._known = found, time.monotonic() + max(_FRESH_SECONDS, took * _SHARE)
            return found

    async def _read(self, connection: AsyncConnection[Any]) -> FleetMetrics:
        workers = await _rows(
            connection,
            f"SELECT {_ROLE}, coalesce(w.status::text, 'inactive'), count(*) FROM worker AS w GROUP BY 1, 2",
        )
        return FleetMetrics(
            {(role, status): count for role, status, count in workers},
            await _runtimes(connection),
            await _probes(connection),
            await self._transitions(connection),
            *await _executions(connection),
        )

    async def _transitions(self, connection: AsyncConnection[Any]) -> Mapping[tuple[str, str], int]:
        """All that there ever were since this process began to count; those that may still be joined by others anew."""
        query = """
            SELECT one.name, one.to_status, count(*), count(*) FILTER (WHERE one.id <= settled.id), max(settled.id)
            FROM runtime_transition AS one,
                 (SELECT coalesce(max(id), 0) AS id FROM runtime_transition
                  WHERE id > %(tallied)s AND at < now() - %(settled)s * interval '1 second') AS settled
            WHERE one.id > %(tallied)s GROUP BY 1, 2
        """
        rows = await _rows(connection, query, {"tallied": self._tallied, "settled": _SETTLED_SECONDS})
        counted = dict(self._tally)
        for name, status, count, settled, last in rows:
            key = (name, status)
            counted[key] = counted.get(key, 0) + count
            self._tally[key] = self._tally.get(key, 0) + settled
            self._tallied = max(self._tallied, last)
        return counted


async def _runtimes(connection: AsyncConnection[Any]) -> Mapping[tuple[str, str, str], int]:
    rows = await _rows(
        connection,
        f"""
        SELECT name, status, CASE WHEN turn <= {_VERSIONS} THEN version ELSE 'other' END, sum(number)::bigint FROM (
            SELECT r.name, r.status, coalesce(r.version, '') AS version, count(*) AS number,
                   row_number() OVER (PARTITION BY r.name ORDER BY count(*) DESC, r.version) AS turn
            FROM worker_runtime AS r JOIN worker AS w ON w.id = r.worker WHERE {_LIVE} GROUP BY 1, 2, 3, r.version
        ) AS one GROUP BY 1, 2, 3
        """,
    )
    return {(name, status, version): count for name, status, version, count in rows}


async def _executions(connection: AsyncConnection[Any]) -> tuple[Mapping[tuple[str, str], int], int]:
    rows = await _rows(
        connection,
        f"""
        SELECT CASE WHEN turn <= {_CLASSES} THEN requirement ELSE 'other' END, status, sum(number)::bigint,
               coalesce(sum(number) FILTER (WHERE lone), 0)::bigint FROM (
            SELECT coalesce(requirement, '') AS requirement, status::text AS status, count(*) AS number,
                   status = 'requested' AND NOT {LIVE.format(queue="e.queue")} AS lone,
                   row_number() OVER (ORDER BY count(*) DESC, requirement) AS turn
            FROM execution AS e
            WHERE policy IS NOT NULL AND status IN ('requested', 'scheduling', 'scheduled', 'running', 'canceling')
            GROUP BY e.requirement, e.status, e.queue
        ) AS one GROUP BY 1, 2
        """,
    )
    found: dict[tuple[str, str], int] = {(requirement, status): count for requirement, status, count, _ in rows}
    return found, sum(row[3] for row in rows)


async def _probes(connection: AsyncConnection[Any]) -> Mapping[str, Probes]:
    bounds = ", ".join(map(str, PROBE_BUCKETS))
    rows = await _rows(
        connection,
        f"""
        SELECT name, width_bucket(seconds, ARRAY[{bounds}]::float8[]), count(*), sum(seconds) FROM (
            SELECT r.name, (r.evidence ->> 'duration_ms')::float8 / 1000 AS seconds
            FROM worker_runtime AS r JOIN worker AS w ON w.id = r.worker
            WHERE {_LIVE} AND jsonb_typeof(r.evidence -> 'duration_ms') = 'number') AS one
        GROUP BY 1, 2
        """,
    )
    buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(PROBE_BUCKETS) + 1))
    seconds: dict[str, float] = defaultdict(float)
    for name, bucket, count, took in rows:
        buckets[name][bucket] += count
        seconds[name] += took
    return {name: Probes(_cumulated(counts[:-1]), sum(counts), seconds[name]) for name, counts in buckets.items()}


def _cumulated(counts: Sequence[int]) -> list[int]:
    total, found = 0, []
    for count in counts:
        total += count
        found.append(total)
    return found


async def _rows(
    connection: AsyncConnection[Any], query: str, parameters: Mapping[str, Any] | None = None
) -> Sequence[tuple[Any, ...]]:
    return await (await connection.execute(query.encode(), parameters)).fetchall()
