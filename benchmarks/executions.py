"""Executions of actions that do nothing, beside bare Procrastinate with tasks that do nothing, on the same server.

`python -m benchmarks.executions` prints the figures. Everything is measured in rounds that alternate; no process is
started for an action, so what is compared is the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import procrastinate
import psycopg
import structlog

from attune.agent.secrets import SecretResolver
from attune.agent.worker.executions import ExecutionRunner
from attune.composition.databases import migrate
from attune.core.executions.action import Action
from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.core.matching.fleet import Capability, CapabilityInstance, Node
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import Output
from attune.postgres.connection import Pool, open_pool
from attune.postgres.embedded.server import EmbeddedServer
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.rows import read_all
from attune.queue.jobs import ProcrastinateQueue
from attune.testing import MemoryCipher, MemorySecrets
from benchmarks.probing import Figure

_JOBS = 1500
_SINGLE = 300
_AT_ONCE = 10
_ROUNDS = 3
_WAITING = 50_000


class Counted:
    """A `WorkRunner` that does nothing, and notes when it was asked to."""

    def __init__(self) -> None:
        self.ran: list[float] = []

    async def run(self, work: Work, output: Output) -> WorkOutcome:
        self.ran.append(time.perf_counter())
        return WorkOutcome(WorkEnding.EXITED, exit_code=0)

    async def close(self) -> None: ...


class NoPacks:
    """`PackFolders` for an action without files."""

    async def folder(self, digest: str) -> PurePath:
        raise AssertionError(digest)

    async def helper(self) -> PurePath:
        raise AssertionError


async def _worker(pool: Pool) -> Node:
    """A worker that offers everything the benchmarks ask for."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "INSERT INTO worker (name, worker_type, worker_role, status, last_heartbeat) VALUES"
            " ('bench', 'local', 'action', 'active', now()) RETURNING id"
        )
        row = await cursor.fetchone()
        assert row is not None
        await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('bench', '', '1.0.0')")
        await connection.execute(
            "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint)"
            " SELECT 'bench.nothing', id, 'bench', '', '', '/bin/true' FROM pack WHERE ref = 'bench'"
        )
    offers = {"python": Capability("python", instances=(CapabilityInstance("3.11.7", "/bin/sh"),))}
    labels = {f"class-{number}": "yes" for number in range(1000)}
    return Node(row[0], "bench", offers, labels, max_concurrent=_AT_ONCE)


@contextlib.asynccontextmanager
async def _heartbeats(pool: Pool, node: Node) -> AsyncIterator[None]:
    """Have *node* heard of: work is not offered to one that is not."""

    async def beat() -> None:
        while True:
            async with pool.connection() as connection:
                await connection.execute("UPDATE worker SET last_heartbeat = now() WHERE id = %s", (node.id,))
            await asyncio.sleep(5)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def unchanged(refs: Collection[str]) -> None:
    """What a worker is told whose interpreters are as they were verified."""


async def starts(ref: str, interpreter: str, ran_seconds: float, given_back: int) -> None:
    """What a worker is told of interpreters that start."""


@contextlib.asynccontextmanager
async def _running(pool: Pool, node: Node) -> AsyncIterator[Counted]:
    """Our own worker, without processes."""
    runner = Counted()
    work = ExecutionRunner(
        lambda: node,
        queue=ProcrastinateQueue(partial(read_all, pool, dict)),
        routing=PostgresRouting(pool),
        attempts=PostgresExecutions(pool),
        runner=runner,
        packs=NoPacks(),
        secrets=SecretResolver(MemorySecrets(), MemoryCipher()),
        unfit=lambda reason: None,
        suspect=lambda ref: None,
        recheck=unchanged,
        broken=starts,
        default_timeout=None,
    )
    stop = asyncio.Event()
    keeping = asyncio.create_task(work.keep(stop))
    try:
        yield runner
    finally:
        stop.set()
        await work.finish()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await work.close()


async def _ours(pool: Pool, node: Node, action: Action, extras: Sequence[str]) -> float:
    """Executions a second, asked for before and done by one worker."""
    executions = PostgresExecutions(pool)
    asked = [NewExecution(action, {}, (extras[n % len(extras)],) if extras else ()) for n in range(_JOBS)]
    for begin in range(0, _JOBS, 500):
        await executions.submit(asked[begin : begin + 500])
    began = time.perf_counter()
    async with _running(pool, node) as runner:
        await _until(lambda: len(runner.ran) == _JOBS)
        await _all_ended(pool)
        return _JOBS / (time.perf_counter() - began)


async def _all_ended(pool: Pool) -> None:
    query = "SELECT FROM execution WHERE status IN ('scheduled', 'running') LIMIT 1"
    async with pool.connection() as connection:
        while (await connection.execute(query)).rowcount:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def _bare(url: str, ran: list[float]) -> tuple[procrastinate.App, Any]:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, max_size=8))

    @app.task(name="bench.nothing", queue="bench")
    async def nothing(number: int) -> None:
        ran.append(time.perf_counter())

    return app, nothing


async def _theirs(url: str) -> float:
    """Jobs a second, put in before and done by one worker of the bare engine."""
    ran: list[float] = []
    app, nothing = _bare(url, ran)
    async with app.open_async():
        await nothing.batch_defer_async(*({"number": number} for number in range(_JOBS)))
        began = time.perf_counter()
        await app.run_worker_async(
            queues=["bench"], concurrency=_AT_ONCE, wait=False, install_signal_handlers=False, listen_notify=False
        )
        return _JOBS / (time.perf_counter() - began)


async def _our_latency(pool: Pool, node: Node, action: Action) -> list[float]:
    """Seconds from asking to the beginning, one after the other."""
    executions = PostgresExecutions(pool)
    async with _running(pool, node) as runner:
        await executions.submit([NewExecution(action)])
        await _until(lambda: len(runner.ran) == 1)
        return await _one_by_one(lambda: executions.submit([NewExecution(action)]), runner.ran)


async def _their_latency(url: str) -> list[float]:
    ran: list[float] = []
    app, nothing = _bare(url, ran)
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(queues=["bench"], concurrency=_AT_ONCE, install_signal_handlers=False)
        )
        await nothing.defer_async(number=0)
        await _until(lambda: len(ran) == 1)
        found = await _one_by_one(lambda: nothing.defer_async(number=1), ran)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        return found


async def _one_by_one(ask: Callable[[], Awaitable[object]], ran: list[float]) -> list[float]:
    found = []
    for _ in range(_SINGLE):
        known, began = len(ran), time.perf_counter()
        await ask()
        await _until(lambda known=known: len(ran) > known)  # type: ignore[misc]
        found.append(ran[-1] - began)
    return found


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.0005)


async def measure(url: str) -> list[Figure]:
    """All figures, on a migrated database."""
    async with open_pool(url, size=8) as pool:
        node, action = await _worker(pool), await PostgresActions(pool).get("bench.nothing")
        async with _heartbeats(pool, node):
            return await _figures(url, pool, node, action)


async def _figures(url: str, pool: Pool, node: Node, action: Action) -> list[Figure]:
    ratios, ours, theirs = [], [], []
    for _ in range(_ROUNDS):
        theirs.append(await _theirs(url))
        ours.append(await _ours(pool, node, action, ()))
        ratios.append(ours[-1] / theirs[-1])
    rates = f"{statistics.median(ours):.0f} and {statistics.median(theirs):.0f} a second"
    figures = [Figure("executions a second, beside bare jobs", statistics.median(ratios), 0.7, note=rates)]
    bare, own = sorted(await _their_latency(url)), sorted(await _our_latency(pool, node, action))
    for name, place in (("p50", 0.5), ("p99", 0.99)):
        mine, other = own[int(len(own) * place)] * 1000, bare[int(len(bare) * place)] * 1000
        figures.append(Figure(f"from asked to begun, {name}", mine, None, "ms", note=f"bare: {other:.1f} ms"))
    alone = await _ours(pool, node, action, ())
    for count in (100, 1000):
        rate = await _ours(pool, node, action, [f"class-{number}" for number in range(count)])
        figures.append(Figure(f"{count} requirement classes, beside one", rate / alone, None))
    figures.append(await _with_waiting(pool, node, action))
    return figures


async def _with_waiting(pool: Pool, node: Node, action: Action) -> Figure:
    """What work that nobody can run costs the work that can be run."""
    before = statistics.median([await _ours(pool, node, action, ()) for _ in range(_ROUNDS)])
    executions = PostgresExecutions(pool)
    for number in range(0, _WAITING, 1000):
        await executions.submit(
            [NewExecution(action, {}, (f"missing-{n % 50}",)) for n in range(number, number + 1000)]
        )
    async with pool.connection() as connection:
        await connection.execute("ANALYZE execution")
    after = statistics.median([await _ours(pool, node, action, ()) for _ in range(_ROUNDS)])
    return Figure(f"with {_WAITING:,} waiting that nobody can run, beside none", after / before, 0.9)


def main() -> None:
    """Print the figures beside their targets."""
    folder = Path(tempfile.mkdtemp(prefix="attune-bench-"))
    server = EmbeddedServer(folder)
    url = server.acquire()
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
        for figure in asyncio.run(measure(url)):
            print(figure)
    finally:
        server.release()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
