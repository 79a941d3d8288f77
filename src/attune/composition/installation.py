"""The composition root of commands: the stores of an installation, by its database or by its API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from attune.composition.databases import is_remote, require_migrated, use_database
from attune.config import Settings
from attune.core.errors import ConfigError
from attune.core.ports.installation import Installation


@asynccontextmanager
async def connected(settings: Settings, who: str) -> AsyncIterator[Installation]:
    """The installation that *settings* lead *who* to: by its API if only that is configured, else by its database."""
    async with _by_api(settings) if is_remote(settings) else _by_database(settings, who) as installation:
        yield installation


@asynccontextmanager
async def _by_api(settings: Settings) -> AsyncIterator[Installation]:
    from attune.client.events import HttpEvents
    from attune.client.executions import HttpExecutions
    from attune.client.matching import HttpMatcher
    from attune.client.nodes import HttpControl, HttpNodes
    from attune.client.packs import HttpPacks, HttpSensors
    from attune.client.runtimes import HttpRuntimes
    from attune.client.tokens import HttpSecrets, HttpTokens
    from attune.client.wire import Wire

    url = settings.api.url
    assert url is not None
    if settings.api.token is None:
        raise ConfigError(
            f"api.token: expected a token for the API at {url}, got none",
            hint="set ATTUNE_TOKEN to what this prints, where the database is: attune token create NAME",
        )
    async with Wire(url, settings.api.token) as wire:
        yield Installation(
            f"the API at {url}",
            HttpRuntimes(wire),
            HttpNodes(wire),
            HttpControl(wire),
            HttpMatcher(wire),
            HttpTokens(wire),
            HttpSensors(wire),
            HttpPacks(wire),
            HttpEvents(wire),
            HttpExecutions(wire),
            HttpSecrets(wire),
        )


_LOCK_SECONDS = 5.0  # somebody waits for the command, and is to hear why


@asynccontextmanager
async def _by_database(settings: Settings, who: str) -> AsyncIterator[Installation]:
    from attune.composition.events import recorder
    from attune.composition.executions import execution_service, matcher_on
    from attune.composition.secrets import keyring_for
    from attune.postgres.access.secrets import PostgresSecrets
    from attune.postgres.access.tokens import PostgresTokens
    from attune.postgres.api_processes import silent_apis
    from attune.postgres.connection import open_pool, without_password
    from attune.postgres.events.log import PostgresEventLog
    from attune.postgres.nodes.fleet_losses import PostgresFleetLosses
    from attune.postgres.nodes.node_control import PostgresNodeControl
    from attune.postgres.nodes.registry import PostgresNodes
    from attune.postgres.packs.store import PostgresPacks
    from attune.postgres.retention import PostgresRetention
    from attune.postgres.runtimes.store import PostgresRuntimes
    from attune.postgres.sensors.store import PostgresSensors

    with use_database(settings) as database:
        await asyncio.to_thread(require_migrated, database.url)
        async with open_pool(database.url, application_name=f"attune {who}", lock_seconds=_LOCK_SECONDS) as pool:
            nodes, keys = PostgresNodes(pool), keyring_for(settings)
            yield Installation(
                without_password(database.url),
                PostgresRuntimes(pool),
                nodes,
                PostgresNodeControl(pool),
                matcher_on(pool, nodes.fleet),
                PostgresTokens(pool),
                PostgresSensors(pool),
                PostgresPacks(pool),
                PostgresEventLog(pool, recorder(keys)),
                execution_service(pool, nodes, keys),
                PostgresSecrets(pool, keys),
                PostgresRetention(pool),
                PostgresFleetLosses(pool),
                partial(silent_apis, pool),
            )


def api_warnings(settings: Settings) -> list[str]:
    """What whoever set `api.url` may not know: that it is not used, or that the token can be read on its way."""
    url = settings.api.url
    if url is None:
        return []
    if settings.database.url:
        return [f"database.url and api.url are both set; the database is used, and the API at {url} is not"]
    parts = urlsplit(url)
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        return [f"{url} is not encrypted: whoever sits on the way to it can read the token; use https://"]
    return []


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
