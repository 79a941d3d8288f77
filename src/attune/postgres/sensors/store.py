"""Which node runs which sensor: the tables `sensor` and `sensor_lease`. Events are `events.py`.

All times are the database's. A lease that has expired is never renewed, so whoever sees it expired may rely on it.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from attune.core.nodes.role import SENSOR
from attune.core.ports.sensors import Renewal, SensorReport, SensorStatus, TakenLease, explained
from attune.core.sensors.assignment import AssignmentView, Lease, move_target
from attune.core.sensors.sensor import Sensor
from attune.postgres.connection import listening, session, translated
from attune.postgres.matching.fleet import read_fleet
from attune.postgres.rows import PostgresStore, execute, read_all

CHANNEL = "attune_sensing"
_CHANNELS = (CHANNEL, "attune_transition", "attune_node")
# The capability name of a runtime comes from what nodes have registered: definitions are not read while work runs.
_SENSORS = """
    SELECT s.id, s.ref, s.trigger_ref, s.entrypoint, s.runtime_ref, s.runtime_version_constraint AS version_constraint,
           s.requires, s.interpreter_args, s.config, s.enabled, p.digest AS pack_digest,
           (SELECT name FROM worker_runtime WHERE runtime_ref = s.runtime_ref ORDER BY worker DESC LIMIT 1) AS runtime
    FROM sensor AS s LEFT JOIN pack AS p ON p.id = s.pack
"""
_LEASES = """
    SELECT l.sensor, l.worker, l.epoch, extract(epoch FROM l.expires_at - now())::float8 AS left,
           extract(epoch FROM now() - l.taken_at)::float8 AS age, j.id AS output_log, l.wanted
    FROM sensor_lease AS l LEFT JOIN sensor_journal AS j ON j.sensor = l.sensor AND j.epoch = l.epoch
    UNION ALL
    SELECT s.id, NULL, 0, extract(epoch FROM s.updated - now())::float8, 0, NULL, NULL
    FROM sensor AS s WHERE s.enabled AND NOT EXISTS (SELECT FROM sensor_lease AS l WHERE l.sensor = s.id)
"""
_TAKE = "SELECT sensor, epoch, output_log FROM take_leases(%(wanted)s::jsonb, %(worker)s, %(seconds)s, %(lease)s)"
# clock_timestamp: also after waiting for the row, what has expired stays expired.
_RENEW = """
    WITH held AS (
        SELECT * FROM jsonb_to_recordset(%(held)s::jsonb) AS h(sensor bigint, epoch bigint)
    ), renewed AS (
        UPDATE sensor_lease AS l SET renewed_at = now(), expires_at = now() + %(seconds)s * interval '1 second'
        FROM held WHERE l.sensor = held.sensor AND l.epoch = held.epoch AND l.worker = %(worker)s
            AND l.expires_at > clock_timestamp()
        RETURNING l.sensor
    )
    SELECT now(), coalesce((SELECT array_agg(sensor) FROM renewed), '{}') AS kept,
           coalesce((SELECT array_agg(s.id) FROM sensor AS s LEFT JOIN sensor_lease AS l ON l.sensor = s.id
                     WHERE s.enabled AND (l.sensor IS NULL OR l.expires_at <= now())), '{}') AS free
"""
_RELEASE = """
    WITH released AS (
        UPDATE sensor_lease AS l SET expires_at = now(), worker = NULL, state = 'waiting', reason = h.reason,
            since = now(), pid = NULL
        FROM jsonb_to_recordset(%(held)s::jsonb) AS h(sensor bigint, epoch bigint, reason text)
        WHERE l.sensor = h.sensor AND l.epoch = h.epoch AND l.worker = %(worker)s RETURNING l.sensor
    )
    SELECT pg_notify(%(channel)s, 'released') FROM (SELECT FROM released LIMIT 1) AS any_released
"""
_REPORT = """
    UPDATE sensor_lease AS l SET
        since = CASE WHEN l.state <> r.state THEN now() ELSE l.since END,
        state = r.state, reason = r.reason, restarts = r.restarts, bad_lines = r.bad_lines, pid = r.pid,
        last_lines = r.last_lines
    FROM jsonb_to_recordset(%(reports)s::jsonb)
        AS r(sensor bigint, epoch bigint, state text, reason text, restarts integer, bad_lines bigint, pid integer,
             last_lines text)
    WHERE l.sensor = r.sensor AND l.epoch = r.epoch AND l.worker = %(worker)s
"""
_STATUS = """
    SELECT s.id, s.ref, s.trigger_ref, s.enabled, s.runtime_ref,
           CASE WHEN NOT s.enabled THEN 'disabled' WHEN l.expires_at > now() THEN l.state ELSE 'waiting' END AS state,
           CASE WHEN s.enabled AND l.expires_at > now() THEN l.reason ELSE '' END AS reason,
           CASE WHEN l.expires_at > now() THEN w.name END AS node,
           CASE WHEN l.expires_at > now() THEN l.pid END AS pid,
           coalesce(l.epoch, 0) AS epoch, coalesce(l.restarts, 0) AS restarts, coalesce(l.bad_lines, 0) AS bad_lines,
           l.since, coalesce(l.last_lines, '') AS last_lines,
           (SELECT name FROM worker WHERE id = l.wanted AND id <> l.worker) AS wanted
    FROM sensor AS s LEFT JOIN sensor_lease AS l ON l.sensor = s.id LEFT JOIN worker AS w ON w.id = l.worker
    ORDER BY s.ref
"""


class PostgresSensors(PostgresStore):
    """`LeaseStore` and `SensorReader` on PostgreSQL."""

    async def world(self) -> AssignmentView:
        with translated():
            async with session(self._pool) as connection:
                sensors = await read_all(connection, _sensor, f"{_SENSORS} WHERE s.enabled ORDER BY s.ref")
                nodes = [node async for node in read_fleet(connection, SENSOR)]
                # Last, so that nothing that is thought free has been taken long ago.
                leases = {lease.sensor: lease for lease in await read_all(connection, Lease, _LEASES)}
        return AssignmentView(sensors, nodes, leases)

    async def take(
        self, node_id: int, sensors: Sequence[int], seconds: float, *, dead: Mapping[int, int] | None = None
    ) -> Sequence[TakenLease]:
        wanted = [{"sensor": sensor, "dead": (dead or {}).get(sensor)} for sensor in sensors]
        parameters = {"wanted": json.dumps(wanted), "worker": node_id, "seconds": seconds}
        parameters["lease"] = self._lease()
        return await read_all(self._pool, TakenLease, _TAKE, parameters)

    async def renew(self, node_id: int, held: Mapping[int, int], seconds: float) -> Renewal:
        parameters = {"held": json.dumps(_pairs(held)), "worker": node_id, "seconds": seconds}
        (renewal,) = await read_all(self._pool, _renewal, _RENEW, parameters)
        return renewal

    async def release(self, node_id: int, held: Mapping[int, int], reasons: Mapping[int, str] | None = None) -> None:
        rows = [{**lease, "reason": (reasons or {}).get(lease["sensor"], "")} for lease in _pairs(held)]
        await execute(self._pool, _RELEASE, {"held": json.dumps(rows), "worker": node_id, "channel": CHANNEL})

    async def report(self, node_id: int, reports: Sequence[SensorReport]) -> None:
        rows = [{**asdict(report), "reason": report.reason[:1000].replace("\0", "")} for report in reports]
        await execute(self._pool, _REPORT, {"reports": json.dumps(rows), "worker": node_id})

    async def status(self) -> Sequence[SensorStatus]:
        statuses = await read_all(self._pool, SensorStatus, _STATUS)
        if not any(status.state == "waiting" for status in statuses):
            return statuses
        return explained(statuses, await self.world())

    async def set_enabled(self, ref: str, enabled: bool) -> bool:
        return bool(await execute(self._pool, "UPDATE sensor SET enabled = %s WHERE ref = %s", (enabled, ref)))

    async def move(self, ref: str, to: str | None = None) -> str | None:
        found = move_target(ref, to, await self.world())
        if found is None:
            return None
        query = "UPDATE sensor_lease SET wanted = %s WHERE sensor = %s"
        await execute(self._pool, query, (found[1].id, found[0].id))
        return found[1].name

    @asynccontextmanager
    async def listening(self) -> "AsyncIterator[_Listener]":
        async with listening(self._pool, _CHANNELS, "attune sensing") as connection:
            yield _Listener(connection)


class _Listener:
    """A connection that listens."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def news(self, timeout_seconds: float) -> bool:
        """Wait until something has changed, at most so long; whether it has. Raises `DatabaseError`."""
        with translated():
            async for _ in self._connection.notifies(timeout=timeout_seconds, stop_after=1):
                return True
        return False


def _pairs(held: Mapping[int, int]) -> list[dict[str, Any]]:
    return [{"sensor": sensor, "epoch": epoch} for sensor, epoch in sorted(held.items())]


def _renewal(*, now: datetime, kept: Sequence[int], free: Sequence[int]) -> Renewal:
    return Renewal(now, frozenset(kept), frozenset(free))


def _sensor(*, config: Any, **columns: Any) -> Sensor:
    for name in ("requires", "interpreter_args"):
        columns[name] = tuple(str(item) for item in columns[name])
    return Sensor(**columns, config={} if config is None else config)
