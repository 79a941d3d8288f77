"""The API and the page: beside a bare FastAPI route with the same bytes, in a fleet of 10,000; 500 streams; Chromium.

`python -m benchmarks.web` prints the figures beside their targets. It starts a server of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

import httpx
import psycopg
import structlog
from fastapi import FastAPI, Response

from attune.composition.databases import migrate
from attune.composition.web import serve_api, services_on
from attune.core.access.tokens import Scope
from attune.postgres.connection import open_pool
from attune.postgres.embedded.server import EmbeddedServer
from attune.testing import MemoryCipher
from attune.web.app import create_app
from attune.web.front import Front
from attune.web.server import address_of, listen
from attune.web.services import Services
from benchmarks.probing import Figure

_FLEET = 10_000
_PAGE_FLEET = 2_000
_CALLS = 600
_ROUNDS = 5
_STREAMS = 500
_NODES = """
    INSERT INTO worker (name, worker_type, worker_role, host, status, capabilities, meta, last_heartbeat)
    SELECT 'build-' || n, 'local', 'action', 'host-' || n, 'active', jsonb_build_object(
        'runtimes', jsonb_build_array('python', 'node', 'shell'), 'runtime_source', 'database',
        'runtime_versions', jsonb_build_object('python', jsonb_build_array('3.11.' || n %% 9)),
        'worker_version', '1', 'max_concurrent_executions', 4, 'labels', jsonb_build_object('zone', 'z' || n %% 5)),
        '{"pid": 1}', now()
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
"""
_RUNTIMES = """
    INSERT INTO worker_runtime
        (worker, runtime_ref, name, status, version, path, instances, reason, evidence, checked_at)
    SELECT w.id, 'core.r' || k, 'r' || k, CASE WHEN (w.id + k) %% 7 = 0 THEN 'unavailable' ELSE 'available' END,
        '1.' || k || '.' || w.id %% 5, '/usr/bin/r' || k, '[]', 'verified by `r' || k || ' --version`',
        jsonb_build_object('command', jsonb_build_array('r' || k, '--version'), 'exit_code', 0, 'output', 'r 1.2'),
        now()
    FROM worker AS w, generate_series(1, 12) AS k
    WHERE NOT EXISTS (SELECT FROM worker_runtime AS r WHERE r.worker = w.id)
"""


def populate(url: str, first: int, last: int) -> None:
    """Workers *first* to *last*, with 12 runtimes each."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_NODES, {"first": first, "last": last})
        connection.execute(_RUNTIMES, {})
        connection.execute("TRUNCATE change")
        connection.execute("ANALYZE")


@contextlib.asynccontextmanager
async def client_of(app: object) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        yield client


async def timed(ask: Callable[[], Awaitable[httpx.Response]], calls: int) -> list[float]:
    """The seconds of each of *calls*, one after the other."""
    found = []
    for _ in range(calls):
        began = time.perf_counter()
        answer = await ask()
        found.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return found


async def against_bare(
    http: httpx.AsyncClient, headers: dict[str, str], path: Callable[[], str]
) -> tuple[float, float]:
    """The 99th percentile in ms, and requests/s as a share of a bare route that returns the same bytes."""
    content = (await http.get(path(), headers=headers)).content
    bare = FastAPI()

    @bare.get("/same")
    async def same() -> Response:
        return Response(content, media_type="application/json")

    shares, all_times = [], []
    async with client_of(bare) as reference:
        for _ in range(_ROUNDS):
            ours = await timed(lambda: http.get(path(), headers=headers), _CALLS)
            theirs = await timed(lambda: reference.get("/same", headers=headers), _CALLS)
            shares.append(sum(theirs) / sum(ours))
            all_times += ours
    return statistics.quantiles(all_times, n=100)[98] * 1000, statistics.median(shares)


async def routes(url: str) -> None:
    """The two routes that programs ask most, in this process."""
    async with open_pool(url, application_name="bench api", size=8) as pool:
        services = services_on(pool, MemoryCipher(), Front())
        app = create_app(services)
        _, token = await services.tokens.create("bench", Scope.READ, created_by="bench")
        headers = {"Authorization": f"Bearer {token}"}
        random = Random(7)
        watched = random.sample(range(1, _FLEET + 1), 50)  # what programs ask for again and again
        async with app.router.lifespan_context(app), client_of(app) as http:
            await asyncio.sleep(0.3)
            for name, path in (
                (
                    "capabilities of 50 of 10,000, in turn",
                    lambda: f"/api/workers/{random.choice(watched)}/capabilities",
                ),
                ("a page of 100 of 10,000", lambda: "/api/workers?limit=100"),
            ):
                slowest, share = await against_bare(http, headers, path)
                print(Figure(f"GET {name}, 99th percentile", slowest, 20, "ms", at_most=True))
                print(Figure(f"GET {name}, beside a bare route", share, 0.6))


async def over_sockets(url: str) -> None:
    """The page of 2,000 workers, and 500 streams that hear of one change."""
    bound, stop = listen("127.0.0.1", 0), asyncio.Event()
    ready: asyncio.Future[Services] = asyncio.get_running_loop().create_future()

    async def nothing() -> None: ...

    task = asyncio.create_task(
        serve_api(url, bound, stop, cipher=MemoryCipher(), front=Front(), on_ready=ready.set_result, heal=nothing)
    )
    services, address = await ready, address_of(bound)
    made, token = await services.tokens.create("bench page", Scope.ADMIN, created_by="bench")
    try:
        async with httpx.AsyncClient(base_url=address, limits=httpx.Limits(max_connections=None), timeout=30) as http:
            await http.post("/login", data={"token": token})
            await timed(lambda: http.get("/"), 3)
            print(
                Figure(
                    "the fleet page of 2,000 workers, server time",
                    statistics.median(await timed(lambda: http.get("/"), 20)) * 1000,
                    300,
                    "ms",
                    at_most=True,
                )
            )
            print(Figure("500 streams hear of a change, the last after", await streams(http, token, url), 1, "s", True))
        link = f"{address}/login?code={await services.tokens.login_link(made.id)}"
        if shutil.which("chromium"):
            seconds = await asyncio.to_thread(in_chromium, link)
            print(Figure("the fleet page of 2,000 workers, interactive", seconds, 1, "s", True, "navigation to idle"))
    finally:
        stop.set()
        await task


async def streams(http: httpx.AsyncClient, token: str, url: str) -> float:
    """The seconds from the change until the last of many streams has heard of it."""
    heard: list[float] = []
    open_now = asyncio.Semaphore(0)

    async def follow() -> None:
        async with http.stream("GET", "/api/stream", headers={"Authorization": f"Bearer {token}"}) as answer:
            async for line in answer.aiter_lines():
                if line == "event: hello":
                    open_now.release()
                elif line == "event: runtime":
                    heard.append(time.perf_counter())
                    return

    followers = [asyncio.create_task(follow()) for _ in range(_STREAMS)]
    for _ in range(_STREAMS):
        await open_now.acquire()
    await asyncio.sleep(0.5)
    began = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("UPDATE runtime SET description = 'changed' WHERE ref = 'core.python'")
    await asyncio.wait_for(asyncio.gather(*followers), 30)
    return max(heard) - began


def in_chromium(link: str) -> float:
    """The seconds until the fleet page has loaded and answers, the median of five."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(link)
        found = []
        for _ in range(5):
            page.goto(link.partition("/login")[0])
            found.append(float(page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")) / 1000)
            page.locator("#filter").focus()
        browser.close()
    return statistics.median(found)


def main() -> int:
    """Print the figures."""
    # The API logs each request.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder, "data"))
        with server:
            url = server.acquire()
            migrate(url)
            populate(url, 1, _PAGE_FLEET)
            asyncio.run(over_sockets(url))
            populate(url, _PAGE_FLEET + 1, _FLEET)
            asyncio.run(routes(url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
