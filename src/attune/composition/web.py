"""The API of an installation: what its routes work with, and serving it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from types import MappingProxyType

from attune.composition.decisions import decide
from attune.composition.events import recorder
from attune.composition.executions import execution_service, matcher_on
from attune.composition.packs import check_pack
from attune.config.settings import ApiSettings
from attune.core.errors import DatabaseError
from attune.core.ports.access import AccessStore, SecretCipher
from attune.operations.installation.retain import Retention
from attune.postgres.access.secrets import PostgresSecrets
from attune.postgres.access.tokens import PostgresTokens
from attune.postgres.api_processes import note_api
from attune.postgres.changes import PostgresChanges
from attune.postgres.connection import Pool, open_pool
from attune.postgres.events.log import PostgresEventLog
from attune.postgres.nodes.node_control import PostgresNodeControl
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.nodes.requests import PostgresNodeRequests
from attune.postgres.packs.store import PostgresPacks
from attune.postgres.read_models.fleet_pages import PostgresFleetPages
from attune.postgres.read_models.node_pages import PostgresNodePages
from attune.postgres.retention import PostgresRetention
from attune.postgres.runtimes.previews import PostgresPreviews
from attune.postgres.runtimes.store import PostgresRuntimes
from attune.postgres.sensors.store import PostgresSensors
from attune.web.audit_writer import AuditWriter
from attune.web.caches import Callers, Fleets, ResponseCache
from attune.web.front import Front
from attune.web.hub import Hub
from attune.web.server import address_of, serve
from attune.web.services import Services


async def serve_api(
    url: str,
    bound: socket.socket,
    stop: asyncio.Event,
    *,
    cipher: SecretCipher,
    front: Front,
    on_ready: Callable[[Services], None],
    heal: Callable[[], Awaitable[None]],
    keep: Mapping[str, float] = MappingProxyType({}),
    told_every: float = 10.0,
) -> None:
    """Serve the API of the database at *url* on *bound* until *stop* is set, as `serve` says.

    What has ended is kept as long as *keep* says, in seconds by kind. The process tells of itself so often.
    """
    async with open_pool(url, application_name="attune api", size=8) as pool:
        services = services_on(pool, cipher, front)
        beside = [
            asyncio.create_task(decide(pool, cipher, services.decisions)),
            asyncio.create_task(Retention(PostgresRetention(pool), keep).keep_on()),
            asyncio.create_task(_told(pool, bound, told_every)),
        ]
        try:
            await serve(services, bound, stop, on_ready=on_ready, heal=heal)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _told(pool: Pool, bound: socket.socket, every: float) -> None:
    """Have it known, until cancelled, that this process serves on *bound*."""
    address = f"{address_of(bound)} on {socket.gethostname()}"
    try:
        while True:
            with suppress(DatabaseError):
                await note_api(pool, address, os.getpid())
            await asyncio.sleep(every)
    finally:
        with suppress(DatabaseError, TimeoutError):
            async with asyncio.timeout(10):
                await note_api(pool, address, None)


@asynccontextmanager
async def access_on(url: str) -> AsyncIterator[AccessStore]:
    """Who may use the API of the database at *url*."""
    async with open_pool(url, application_name="attune up", size=1) as pool:
        yield PostgresTokens(pool)


def front_of(settings: ApiSettings) -> Front:
    """What stands before the API, as *settings* have it."""
    return Front(
        host=settings.host,
        public_url=settings.public_url,
        hosts=frozenset(map(str.lower, settings.allowed_hosts)),
        proxies=[ip_network(proxy, strict=False) for proxy in settings.trusted_proxies],
    )


def services_on(pool: Pool, cipher: SecretCipher, front: Front) -> Services:
    """Everything on *pool*."""
    tokens, nodes, changes = PostgresTokens(pool), PostgresNodes(pool), PostgresChanges(pool)
    hub = Hub(changes)
    fleets = Fleets(nodes.fleet, hub)
    return Services(
        runtimes=PostgresRuntimes(pool),
        nodes=nodes,
        control=PostgresNodeControl(pool),
        tokens=tokens,
        node_pages=PostgresNodePages(pool),
        fleet_pages=PostgresFleetPages(pool),
        requests=PostgresNodeRequests(pool),
        previews=PostgresPreviews(pool),
        changes=changes,
        hub=hub,
        callers=Callers(tokens, hub),
        fleets=fleets,
        matcher=matcher_on(pool, fleets.of),
        answers=ResponseCache(hub),
        runs=execution_service(pool, nodes, cipher),
        packs=PostgresPacks(pool),
        check_pack=check_pack,
        events=PostgresEventLog(pool, recorder(cipher)),
        sensors=PostgresSensors(pool),
        secrets=PostgresSecrets(pool, cipher),
        audit=AuditWriter(tokens),
        front=front,
    )
