"""Which node runs which sensor: the tables `sensor` and `sensor_lease`. Events are `sensor_events.py`.

All times are the database's. A lease that has expired is never renewed, so whoever sees it expired may rely on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from attune.core.nodes.role import SENSOR
from attune.core.ports.sensors import Renewal, SensorReport, SensorStatus, TakenLease, explained
from attune.core.runtimes.aliases import fold
from attune.core.sensors.assignment import AssignmentView, Lease
from attune.core.sensors.sensor import Sensor
from attune.postgres.connection import Pool, connect, conninfo_of, translated
from attune.postgres.matching.fleet import read_fleet

CHANNEL = "attune_sensing"
_CHANNELS = (CHANNEL, "attune_transition", "attune_node")
# The capability name of a runtime comes from what nodes have registered: definitions are not read while work runs.
_SENSORS = """
    SELECT s.id, s.ref, s.trigger_ref, s.entrypoint, s.runtime_ref, s.runtime_version_constraint, s.requires,
           s.interpreter_args, s.config, s.enabled, p.digest,
           (SELECT name FROM worker_runtime WHERE runtime_ref = s.runtime_ref ORDER BY worker DESC LIMIT 1)
    FROM sensor AS s LEFT JOIN pack AS p ON p.id = s.pack
"""
_LEASES = """
    SELECT l.sensor, l.worker, l.epoch, extract(epoch FROM l.expires_at - now())::float8,
           extract(epoch FROM now() - l.taken_at)::float8, j.id
    FROM sensor_lease AS l LEFT JOIN sensor_journal AS j ON j.sensor = l.sensor AND j.epoch = l.epoch
    UNION ALL
    SELECT s.id, NULL, 0, extract(epoch FROM s.updated - now())::float8, 0, NULL
    FROM sensor AS s WHERE s.enabled AND NOT EXISTS (SELECT FROM sensor_lease AS l WHERE l.sensor = s.id)
"""
# Who holds its name is alive: the lock goes with its connection, at once when the process dies.
_CONNECTED = """
    SELECT w.id FROM worker AS w JOIN pg_locks AS held ON held.locktype = 'advisory' AND held.granted
        AND held.objsubid = 1 AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (held.classid::bigint << 32) | held.objid::bigint = hashtextextended('attune sensor ' || w.name, 0)
    WHERE w.worker_role = 'sensor'
"""
_TAKE = """
    WITH wanted AS (
        SELECT w.sensor, w.dead FROM jsonb_to_recordset(%(wanted)s::jsonb) AS w(sensor bigint, dead bigint)
        JOIN sensor AS s ON s.id = w.sensor AND s.enabled ORDER BY w.sensor
    ), taken AS (
        INSERT INTO sensor_lease AS l (sensor, worker, expires_at)
        SELECT sensor, %(worker)s, now() + %(seconds)s * interval '1 second' FROM wanted
        ON CONFLICT (sensor) DO UPDATE SET
            worker = excluded.worker, epoch = l.epoch + 1, taken_at = now(), renewed_at = now(),
            expires_at = excluded.expires_at, state = 'starting', reason = '', since = now(), restarts = 0,
            bad_lines = 0, pid = NULL
        WHERE l.expires_at <= now()
           OR (l.worker = excluded.worker AND l.epoch = (SELECT dead FROM wanted WHERE wanted.sensor = l.sensor))
        RETURNING sensor, epoch
    )
    INSERT INTO sensor_journal (sensor, epoch) SELECT sensor, epoch FROM taken RETURNING sensor, epoch, id
"""
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
    SELECT now(), coalesce((SELECT array_agg(sensor) FROM renewed), '{}'),
           coalesce((SELECT array_agg(s.id) FROM sensor AS s LEFT JOIN sensor_lease AS l ON l.sensor = s.id
                     WHERE s.enabled AND (l.sensor IS NULL OR l.expires_at <= now())), '{}')
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
        state = r.state, reason = r.reason, restarts = r.restarts, bad_lines = r.bad_lines, pid = r.pid
    FROM jsonb_to_recordset(%(reports)s::jsonb)
        AS r(sensor bigint, epoch bigint, state text, reason text, restarts integer, bad_lines bigint, pid integer)
    WHERE l.sensor = r.sensor AND l.epoch = r.epoch AND l.worker = %(worker)s
"""
_STATUS = """
    SELECT s.id, s.ref, s.trigger_ref, s.enabled, s.runtime_ref,
           CASE WHEN NOT s.enabled THEN 'disabled' WHEN l.expires_at > now() THEN l.state ELSE 'waiting' END AS state,
           CASE WHEN s.enabled AND l.expires_at > now() THEN l.reason ELSE '' END AS reason,
           CASE WHEN l.expires_at > now() THEN w.name END AS node,
           CASE WHEN l.expires_at > now() THEN l.pid END AS pid,
           coalesce(l.epoch, 0) AS epoch, coalesce(l.restarts, 0) AS restarts, coalesce(l.bad_lines, 0) AS bad_lines,
           l.since
    FROM sensor AS s LEFT JOIN sensor_lease AS l ON l.sensor = s.id LEFT JOIN worker AS w ON w.id = l.worker
    ORDER BY s.ref
"""


class PostgresSensors:
    """`LeaseStore` and `SensorReader` on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def sensors(self) -> Sequence[Sensor]:
        """Every definition, by ref."""
        return [_sensor(row) for row in await self._rows(_SENSORS + "ORDER BY s.ref")]

    async def world(self) -> AssignmentView:
        """What a plan needs: enabled sensors, sensor nodes, leases."""
        with translated():
            async with self._pool.connection() as connection:
                sensors = [
                    _sensor(row)
                    for row in await (await connection.execute(f"{_SENSORS} WHERE s.enabled ORDER BY s.ref")).fetchall()
                ]
                nodes = [node async for node in read_fleet(connection, SENSOR)]
                connected = await (await connection.execute(_CONNECTED)).fetchall()
                # Last, so that nothing that is thought free has been taken long ago.
                leases = {row[0]: Lease(*row) for row in await (await connection.execute(_LEASES)).fetchall()}
        return AssignmentView(sensors, nodes, leases, frozenset(number for (number,) in connected))

    async def take(
        self, node_id: int, sensors: Sequence[int], seconds: float, *, dead: Mapping[int, int] | None = None
    ) -> Sequence[TakenLease]:
        """Take the leases of *sensors* that are free, for so long; those that were taken, each with a new epoch.

        *dead* names epochs of this very node that nobody runs any more, by sensor: they need not expire first.
        """
        wanted = [{"sensor": sensor, "dead": (dead or {}).get(sensor)} for sensor in sensors]
        rows = await self._rows(_TAKE, {"wanted": _json(wanted), "worker": node_id, "seconds": seconds})
        return [TakenLease(*row) for row in rows]

    async def renew(self, node_id: int, held: Mapping[int, int], seconds: float) -> Renewal:
        """Hold the leases *held* (sensor to epoch) for so long from now."""
        parameters = {"held": _json(_pairs(held)), "worker": node_id, "seconds": seconds}
        ((now, kept, free),) = await self._rows(_RENEW, parameters)
        return Renewal(now, frozenset(kept), frozenset(free))

    async def release(self, node_id: int, held: Mapping[int, int], reasons: Mapping[int, str] | None = None) -> None:
        """Give the leases *held* back, so that others can take them at once."""
        rows = [{**one, "reason": (reasons or {}).get(one["sensor"], "")} for one in _pairs(held)]
        await self._rows(_RELEASE, {"held": _json(rows), "worker": node_id, "channel": CHANNEL})

    async def report(self, node_id: int, reports: Sequence[SensorReport]) -> None:
        """Write how sensors are; those whose epoch is over are left alone."""
        rows = [
            {
                "sensor": one.sensor,
                "epoch": one.epoch,
                "state": one.state.value,
                "reason": one.reason[:1000].replace("\0", ""),
                "restarts": one.restarts,
                "bad_lines": one.bad_lines,
                "pid": one.pid,
            }
            for one in reports
        ]
        with translated():
            async with self._pool.connection() as connection:
                await connection.execute(_REPORT, {"reports": _json(rows), "worker": node_id})

    async def status(self) -> Sequence[SensorStatus]:
        """How every sensor is, by ref; for one that waits, why."""
        with translated():
            async with (
                self._pool.connection() as connection,
                connection.cursor(row_factory=class_row(SensorStatus)) as cursor,
            ):
                await cursor.execute(_STATUS)
                found = await cursor.fetchall()
        if not any(one.state == "waiting" for one in found):
            return found
        return explained(found, await self.world())

    async def set_enabled(self, ref: str, enabled: bool) -> bool:
        """Switch a sensor on or off; False if there is none of that ref."""
        with translated():
            async with self._pool.connection() as connection:
                cursor = await connection.execute("UPDATE sensor SET enabled = %s WHERE ref = %s", (enabled, ref))
                return cursor.rowcount > 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[_Listener]:
        """Hears of changes as long as it lasts. Raises `DatabaseError`."""
        connection = await connect(await conninfo_of(self._pool), application_name="attune sensing")
        try:
            with translated():
                for channel in _CHANNELS:
                    await connection.execute(f"LISTEN {channel}".encode())
            yield _Listener(connection)
        finally:
            await connection.close()

    async def _rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with translated():
            async with self._pool.connection() as connection:
                return await (await connection.execute(query.encode(), parameters)).fetchall()


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


def _json(value: Any) -> str:
    from json import dumps

    return dumps(value)


def _sensor(row: tuple[Any, ...]) -> Sensor:
    (
        number,
        ref,
        trigger_ref,
        entrypoint,
        runtime_ref,
        constraint,
        requires,
        arguments,
        config,
        enabled,
        digest,
        name,
    ) = row
    return Sensor(
        number,
        ref,
        trigger_ref,
        entrypoint,
        name or fold(runtime_ref.rpartition(".")[2]),
        runtime_ref,
        constraint,
        tuple(str(one) for one in requires),
        tuple(str(one) for one in arguments),
        {} if config is None else config,
        enabled,
        digest,
    )
