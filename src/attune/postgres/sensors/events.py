"""Events of sensors, each stored exactly once: with them, in one transaction, how far their source has been read.

What becomes of an event (rules, executions) is the `record` that is passed in. Rows are locked in the order in which
the delete of a sensor locks them (sensor, lease, log, position): an event refers to its sensor, so it comes first.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, Rollback
from psycopg.types.json import Jsonb

from attune.core.errors import DatabaseError
from attune.core.ports.sensors import OutputLogRecord
from attune.core.sensors.event_line import NewEvent
from attune.postgres.connection import Pool
from attune.postgres.events.dead_letters import store_each
from attune.postgres.rows import execute, read_one, read_value, transaction

Record = Callable[[AsyncConnection[Any], Sequence[NewEvent]], Awaitable[None]]
"""Stores events and all that follows from them, in the transaction of the connection."""
Then = Callable[[AsyncConnection[Any]], Awaitable[bool]]

_OVER = "(l.sensor IS NULL OR l.epoch > j.epoch OR l.expires_at <= now())"


class PostgresSensorEvents:
    """`SensorEvents` on PostgreSQL. *tell* hears of events that were set aside."""

    def __init__(
        self, pool: Pool, record: Record, tell: Callable[[NewEvent, str], None] = lambda event, sentence: None
    ) -> None:
        self._pool = pool
        self._record = record
        self._tell = tell

    async def output_log(self, key: UUID) -> OutputLogRecord | None:
        query = f"""
            SELECT j.sensor, s.ref AS sensor_ref, s.trigger_ref, j.epoch, j.shipped, {_OVER} AS over
            FROM sensor_journal AS j JOIN sensor AS s ON s.id = j.sensor
            LEFT JOIN sensor_lease AS l ON l.sensor = j.sensor WHERE j.id = %s
        """
        return await read_one(self._pool, OutputLogRecord, query, (key,))

    async def ship(self, key: UUID, begin: int, end: int, events: Sequence[NewEvent], tries: int = 0) -> bool:
        async def advance(connection: AsyncConnection[Any]) -> bool:
            query = "UPDATE sensor_journal SET shipped = %s WHERE id = %s AND shipped = %s"
            return bool(await execute(connection, query, (end, key, begin)))

        return await self._store(events, advance, tries)

    async def finish(self, key: UUID, size: int) -> bool:
        async with transaction(self._pool) as connection:
            # The lease first: whoever renews it waits, and then finds it expired.
            lease = (
                "SELECT FROM sensor_lease WHERE sensor = (SELECT sensor FROM sensor_journal WHERE id = %s) FOR UPDATE"
            )
            await connection.execute(lease, (key,))
            query = f"""
                DELETE FROM sensor_journal AS j USING sensor AS s LEFT JOIN sensor_lease AS l ON l.sensor = s.id
                WHERE j.id = %s AND s.id = j.sensor AND j.shipped = %s AND {_OVER}
            """
            return bool(await execute(connection, query, (key, size)))

    async def position(self, sensor: int) -> Any:
        return await read_value(self._pool, "SELECT position FROM sensor_position WHERE sensor = %s", (sensor,))

    async def fire(
        self, node_id: int, sensor: int, epoch: int, position: Any, events: Sequence[NewEvent], tries: int = 0
    ) -> bool:
        async def remember(connection: AsyncConnection[Any]) -> bool:
            lease = """
                SELECT FROM sensor_lease WHERE sensor = %s AND worker = %s AND epoch = %s
                AND expires_at > clock_timestamp() FOR SHARE
            """
            if not await execute(connection, lease, (sensor, node_id, epoch)):
                return False
            query = """
                INSERT INTO sensor_position (sensor, position) VALUES (%s, %s)
                ON CONFLICT (sensor) DO UPDATE SET position = excluded.position, updated = now()
            """
            await connection.execute(query, (sensor, Jsonb(position)))
            return True

        return await self._store(events, remember, tries)

    async def _store(self, events: Sequence[NewEvent], then: Then, tries: int) -> bool:
        """Store *events* and do *then*, in one transaction; if the events are refused, one after the other."""
        refused: list[tuple[NewEvent, DatabaseError]] = []

        async def record_each(connection: AsyncConnection[Any], events: Sequence[NewEvent]) -> None:
            def record_one(event: NewEvent) -> Awaitable[None]:
                return self._record(connection, [event])

            refused.extend(await store_each(connection, events, record_one, "event", _source, tries))

        try:
            stored = await self._stored(self._record, events, then)
        except DatabaseError as error:
            if not events or not error.may_be_of_a_row(tries):
                raise
            stored = await self._stored(record_each, events, then)
        for event, why in refused if stored else ():
            self._tell(event, f"it was set aside, see `attune dead-letter list`: {why}")
        return stored

    async def _stored(self, record: Record, events: Sequence[NewEvent], then: Then) -> bool:
        stored = False
        async with transaction(self._pool) as connection:
            if events:
                await record(connection, events)
            stored = await then(connection)
            if not stored:
                raise Rollback
        return stored


def _source(event: NewEvent) -> str:
    return event.sensor_ref or event.trigger_ref
