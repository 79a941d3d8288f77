"""The API in this process, on a real database, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from attune.client.wire import Wire
from attune.composition.web import serve_api, services_on
from attune.core.access.tokens import Scope
from attune.postgres.connection import Pool, open_pool
from attune.testing import MemoryCipher
from attune.web.app import create_app
from attune.web.front import Front
from attune.web.server import address_of, listen
from attune.web.services import Services


@dataclass
class Api:
    """A client without a token, the services behind it, a token for each scope, and a pool on the same database."""

    http: httpx.AsyncClient
    services: Services
    tokens: dict[Scope, str]
    pool: Pool
    transport: httpx.AsyncBaseTransport | None = None

    def wire(self, token: str) -> Wire:
        """Attune's own client, with *token*."""
        return Wire(str(self.http.base_url), token, transport=self.transport)

    def as_(self, scope: Scope) -> dict[str, str]:
        """The header of a caller with *scope*."""
        return {"Authorization": f"Bearer {self.tokens[scope]}"}


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[Api]:
    """The app on the database at *url*, without a socket."""
    async with open_pool(url, application_name="test api", size=8) as pool:
        services = services_on(pool, MemoryCipher(), Front())
        app = create_app(services)
        tokens = {}
        for scope in Scope:
            _, tokens[scope] = await services.tokens.create(f"test {scope}", scope, created_by="tests")
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://attune.test") as http,
        ):
            yield Api(http, services, tokens, pool, transport)


def with_api(url: str, work: Callable[[Api], Awaitable[None]]) -> None:
    """Run *work* against the app on the database at *url*."""

    async def run() -> None:
        async with serving(url) as api:
            await work(api)

    asyncio.run(run())


def with_server(url: str, work: Callable[[Api], Awaitable[None]]) -> None:
    """Run *work* against the app on a real socket."""

    async def run() -> None:
        bound = listen("127.0.0.1", 0)
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve_api(url, bound, stop, cipher=MemoryCipher(), front=Front(), on_ready=ready.set_result, heal=_nothing)
        )
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        services: Services = ready.result()
        tokens = {}
        for scope in Scope:
            _, tokens[scope] = await services.tokens.create(f"test {scope}", scope, created_by="tests")
        try:
            async with (
                httpx.AsyncClient(base_url=address_of(bound), timeout=10) as http,
                open_pool(url, application_name="test") as pool,
            ):
                await work(Api(http, services, tokens, pool))
        finally:
            stop.set()
            await task

    asyncio.run(run())


async def _nothing() -> None: ...
