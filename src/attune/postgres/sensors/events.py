"""Events of sensors, each stored exactly once: with them, in one transaction, how far their source has been read.

What becomes of an event (rules, executions) is the `record` that is passed in. Rows are locked in the order in which
the delete of a sensor locks them (sensor, lease, journal, position): an event refers to its sensor, so it comes first.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, Rollback
from psycopg.types.json import Jsonb

from attune.core.ports.sensors import OutputLogRecord
from attune.core.sensors.event_line import NewEvent
from attune.postgres.connection import Pool, translated

Record = Callable[[AsyncConnection[Any], Sequence[NewEvent]], Awaitable[None]]
"""Stores events and all that follows from them, in the transaction of the connection."""

_OVER = "(l.sensor IS NULL OR l.epoch > j.epoch OR l.expires_at <= now())"


async def insert_events(connection: AsyncConnection[Any], events: Sequence[NewEvent]) -> None:
    """Store *events*, in their order."""
    rows = [
        {"trigger_ref": one.trigger_ref, "payload": one.payload, "source": one.sensor, "source_ref": one.sensor_ref}
        for one in events
    ]
    await connection.execute(
        """
        INSERT INTO event (trigger, trigger_ref, payload, source, source_ref)
        SELECT t.id, e.trigger_ref, e.payload, s.id, e.source_ref
        FROM ROWS FROM (jsonb_to_recordset(%s::jsonb)
            AS (trigger_ref text, payload jsonb, source bigint, source_ref text)) WITH ORDINALITY
            AS e (trigger_ref, payload, source, source_ref, place)
        LEFT JOIN trigger AS t ON t.ref = e.trigger_ref LEFT JOIN sensor AS s ON s.id = e.source
        ORDER BY e.place
        """,
        (json.dumps(rows),),
    )


class PostgresSensorEvents:
    """`SensorEvents` on PostgreSQL."""

    def __init__(self, pool: Pool, record: Record = insert_events) -> None:
        self._pool = pool
        self._record = record

    async def journal(self, key: UUID) -> OutputLogRecord | None:
        with translated():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    f"""
                    SELECT j.sensor, s.ref, s.trigger_ref, j.epoch, j.shipped, {_OVER}
                    FROM sensor_journal AS j JOIN sensor AS s ON s.id = j.sensor
                    LEFT JOIN sensor_lease AS l ON l.sensor = j.sensor WHERE j.id = %s
                    """.encode(),
                    (key,),
                )
                row = await cursor.fetchone()
                return OutputLogRecord(*row) if row else None

    async def ship(self, key: UUID, begin: int, end: int, events: Sequence[NewEvent]) -> bool:
        with translated():
            async with self._pool.connection() as connection, connection.transaction() as transaction:
                if events:
                    await self._record(connection, events)
                cursor = await connection.execute(
                    "UPDATE sensor_journal SET shipped = %s WHERE id = %s AND shipped = %s", (end, key, begin)
                )
                if not cursor.rowcount:
                    raise Rollback(transaction)
                return True
        return False

    async def finish(self, key: UUID, size: int) -> bool:
        with translated():
            async with self._pool.connection() as connection, connection.transaction():
                # The lease first: whoever renews it waits, and then finds it expired.
                await connection.execute(
                    """
                    SELECT FROM sensor_lease
                    WHERE sensor = (SELECT sensor FROM sensor_journal WHERE id = %s) FOR UPDATE
                    """,
                    (key,),
                )
                cursor = await connection.execute(
                    f"""
                    DELETE FROM sensor_journal AS j USING sensor AS s LEFT JOIN sensor_lease AS l ON l.sensor = s.id
                    WHERE j.id = %s AND s.id = j.sensor AND j.shipped = %s AND {_OVER}
                    """.encode(),
                    (key, size),
                )
                return bool(cursor.rowcount)

    async def position(self, sensor: int) -> Any:
        with translated():
            async with self._pool.connection() as connection:
                cursor = await connection.execute("SELECT position FROM sensor_position WHERE sensor = %s", (sensor,))
                row = await cursor.fetchone()
                return row[0] if row else None

    async def fire(self, node_id: int, sensor: int, epoch: int, position: Any, events: Sequence[NewEvent]) -> bool:
        with translated():
            async with self._pool.connection() as connection, connection.transaction() as transaction:
                if events:
                    await self._record(connection, events)
                cursor = await connection.execute(
                    """
                    SELECT FROM sensor_lease WHERE sensor = %s AND worker = %s AND epoch = %s
                    AND expires_at > clock_timestamp() FOR SHARE
                    """,
                    (sensor, node_id, epoch),
                )
                if not cursor.rowcount:
                    raise Rollback(transaction)
                await connection.execute(
                    """
                    INSERT INTO sensor_position (sensor, position) VALUES (%s, %s)
                    ON CONFLICT (sensor) DO UPDATE SET position = excluded.position, updated = now()
                    """,
                    (sensor, Jsonb(position)),
                )
                return True
        return False
