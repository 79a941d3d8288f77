"""Which queues are read by whom, and what waits where: `requirement_class`, `worker_class` and the queue's jobs.

Work that no live node can take waits in `execution`, where it costs the queue nothing; it is offered the moment a node
that can take it reads its queue, and taken back when the last such node is gone.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection

from attune.core.errors import RequirementError
from attune.core.executions.action import Action
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import HeldAttempt, Signal, WorkerNotice
from attune.postgres.connection import listening, translated
from attune.postgres.executions.actions import KEEP_VERSIONS, VERSION, action_of, actions_of, versions_of
from attune.postgres.executions.store import columns_of, know_classes
from attune.postgres.executions.withdrawal import CANCELS
from attune.postgres.rows import PostgresStore, execute, read_all, read_pairs, read_value, read_values, transaction
from attune.queue import jobs

_SIGNALS = {"attune_class": Signal.CLASS, "attune_request": Signal.REQUEST, CANCELS: Signal.CANCEL}
_AT_ONCE = 500
_HELD = """
    SELECT e.id AS execution, e.attempt, e.on_lost, e.losses, e.status::text AS status,
           coalesce(w.name, e.worker_name, 'that is gone') AS worker_name
    FROM execution AS e LEFT JOIN worker AS w ON w.id = e.worker
    WHERE e.status IN ('running', 'canceling') AND e.policy IS NOT NULL
"""


class Listener:
    """`WorkerInbox` on a connection."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._queues: set[str] = set()

    async def follow_queues(self, queues: Collection[str]) -> None:
        wanted = set(queues)
        commands = [f'LISTEN "{jobs.CHANNEL}{queue}"' for queue in sorted(wanted - self._queues)]
        commands += [f'UNLISTEN "{jobs.CHANNEL}{queue}"' for queue in sorted(self._queues - wanted)]
        if commands:
            with translated():
                await self._connection.execute(";".join(commands).encode())
        self._queues = wanted

    async def receive(self, seconds: float) -> list[WorkerNotice]:
        with translated():
            return [
                _notice(notice.channel, notice.payload)
                async for notice in self._connection.notifies(timeout=seconds, stop_after=1)
            ]


class PostgresRouting(PostgresStore):
    """`WorkRouting`: keeps queues and waiting work in step."""

    async def classes(self, queue: str | None = None) -> dict[str, str]:
        query = "SELECT queue, requirement FROM requirement_class WHERE %(queue)s::text IS NULL OR queue = %(queue)s"
        return await read_pairs(self._pool, query, {"queue": queue})

    async def label_names(self, names: Collection[str]) -> list[str]:
        query = """
            SELECT name FROM capability WHERE kind IN ('runtime', 'has_label') AND name = ANY(%s)
            GROUP BY name HAVING bool_and(kind = 'has_label')
        """
        return await read_values(self._pool, query, (sorted(names),))

    async def subscribe(self, worker: int, queues: Collection[str]) -> None:
        parameters = {"worker": worker, "queues": sorted(queues)}
        query = """
            WITH gone AS (DELETE FROM worker_class WHERE worker = %(worker)s AND NOT queue = ANY(%(queues)s::text[]))
            INSERT INTO worker_class (queue, worker)
            SELECT c.queue, w.id FROM requirement_class AS c JOIN worker AS w ON w.id = %(worker)s
            WHERE c.queue = ANY(%(queues)s::text[]) AND NOT EXISTS (
                SELECT FROM worker_class AS o WHERE o.worker = %(worker)s AND o.queue = c.queue) ORDER BY c.queue
            ON CONFLICT DO NOTHING RETURNING queue
        """
        await execute(self._pool, query, parameters)
        await self.promote(queues)

    async def promote(self, queues: Collection[str]) -> int:
        total = 0
        while queues:
            query = "SELECT promote_executions(%s, %s)"
            count = await read_value(self._pool, query, (sorted(queues), _AT_ONCE)) or 0
            total += count
            if count < _AT_ONCE:
                break
        return total

    async def tidy(self) -> int:
        return int(await read_value(self._pool, "SELECT tidy_executions(%s)", (_AT_ONCE,)))

    async def settle_lost(self) -> int:
        return int(await read_value(self._pool, "SELECT sweep_lost()"))

    async def held(self, worker: int) -> list[HeldAttempt]:
        return await read_all(self._pool, HeldAttempt, f"{_HELD} AND e.worker = %s", (worker,))

    async def classify(self) -> list[str]:
        async with transaction(self._pool) as connection:
            if not await read_value(connection, "SELECT may_decide()"):
                return []  # what an execution needs is for the operator's processes to say
            query = f"""
                SELECT e.id, e.action_ref, e.extra_requires, {VERSION} AS content FROM execution AS e
                WHERE e.status IN ('requested', 'scheduling') AND e.policy IS NOT NULL AND e.queue IS NULL
                ORDER BY e.id LIMIT 500 FOR UPDATE SKIP LOCKED
            """
            waiting: Sequence[Mapping[str, Any]] = await read_all(connection, dict, query)
            actions = await actions_of(connection, sorted({execution["action_ref"] for execution in waiting}))
            classes: dict[str, str] = {}
            for execution in waiting:
                asked = action_of(execution["content"]) if execution["content"] else None
                classes |= await _classify_one(connection, execution, asked or actions.get(execution["action_ref"]))
            return sorted(classes)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        async with listening(self._pool, _SIGNALS, "attune work") as connection:
            yield Listener(connection)


def _notice(channel: str, payload: str) -> WorkerNotice:
    if channel in _SIGNALS:
        return WorkerNotice(_SIGNALS[channel], payload)
    return WorkerNotice(Signal.JOB, channel.removeprefix(jobs.CHANNEL))


async def _classify_one(
    connection: AsyncConnection[Any], execution: Mapping[str, Any], action: Action | None
) -> dict[str, str]:
    problem = f"expected an action that exists, got {execution['action_ref']!r}"
    columns: dict[str, Any] = {}
    if action is not None:
        try:
            columns = columns_of(NewExecution(action, extra=tuple(execution["extra_requires"])))
        except RequirementError as error:
            problem = f"its requirement cannot be read: {error}"
    if action is None or not columns:
        await connection.execute(
            "UPDATE execution SET status = 'failed', reason = %s, finished_at = now() WHERE id = %s",
            (problem, execution["id"]),
        )
        return {}
    classes = {columns["queue"]: columns["class"]}
    await know_classes(connection, classes)
    query = f"""
        WITH versions AS ({KEEP_VERSIONS})
        UPDATE execution SET requirement = %(requirement)s, queue = %(queue)s, retries = %(retries)s,
            retry_delay_seconds = %(retry_delay)s, on_lost = %(on_lost)s, pack_digest = %(digest)s,
            action_version = coalesce(action_version, %(version)s),
            priority = priority_of(given_priority, %(priority)s::smallint, enforcement IS NOT NULL) WHERE id = %(id)s
    """
    await connection.execute(query, {**columns, "id": execution["id"], "versions": versions_of([action])})
    return classes
