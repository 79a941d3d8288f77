"""Everything on executions on one database, and a worker that reads what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attune.core.executions.action import Action
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import AttemptResult, AttemptStart, QueuedJob
from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.pages import PostgresExecutionPages
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from waiting import rows


class Tables:
    """Everything on one database, and a worker that reads what it is told to."""

    def __init__(self, pool: Pool, url: str, action: Action, worker: int) -> None:
        self.pool, self.url, self.action, self.worker = pool, url, action, worker
        self.executions, self.routing = PostgresExecutions(pool), PostgresRouting(pool)
        self.pages = PostgresExecutionPages(pool)

    async def ask(self, *extra: str, **more: Any) -> int:
        (number,) = await self.executions.submit([NewExecution(self.action, {"a": 1}, extra, **more)])
        return number

    async def read(self, *requirements: str) -> None:
        queues = [queue for queue, text in (await self.routing.classes()).items() if text in requirements]
        assert len(queues) == len(requirements)
        await self.routing.subscribe(self.worker, queues)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.url, query)

    def execution(self, number: int) -> tuple[str, int]:
        return self.rows(f"SELECT status::text, attempt FROM execution WHERE id = {number}")[0]  # type: ignore[return-value]

    def jobs(self) -> list[int]:
        return [row[0] for row in self.rows("SELECT (args->>'execution')::int FROM procrastinate_jobs ORDER BY id")]

    async def start(self, number: int, worker: int | None = None) -> int | None:
        """Begin what was offered; the number of the attempt."""
        (job,) = self.rows(f"SELECT job FROM execution WHERE id = {number}")[0]
        given = AttemptStart(QueuedJob(id=job or 0, execution=number, queue=""))
        started = await self.executions.start([given], worker=worker or self.worker, name="w1", running=1)
        return started[number].attempt if number in started else None

    async def settle(self, number: int, attempt: int, status: str, **more: Any) -> bool:
        return number in await self.executions.settle([AttemptResult(number, attempt, status, **more)])


@asynccontextmanager
async def open_tables(url: str) -> AsyncIterator[Tables]:
    """The tables of migrated database *url*, with one action and one worker that reads nothing yet."""
    async with open_pool(url) as pool:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('acme', '', '1.0.0')")
            await connection.execute(
                "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime, retries, on_lost)"
                " SELECT 'acme.act', p.id, 'acme', '', '', 'act.py', r.id, 2, 'retry' FROM pack AS p, runtime AS r"
                " WHERE p.ref = 'acme' AND r.ref = 'core.python'"
            )
            row = await (
                await connection.execute(
                    "INSERT INTO worker (name, worker_type, worker_role, status, last_heartbeat)"
                    " VALUES ('w1', 'local', 'action', 'active', now()) RETURNING id"
                )
            ).fetchone()
        assert row is not None
        yield Tables(pool, url, await PostgresActions(pool).get("acme.act"), row[0])
