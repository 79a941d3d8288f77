"""`attune api start`: the HTTP API and the page, until a signal."""

from __future__ import annotations

import asyncio

import click


@click.group()
def api() -> None:
    """The HTTP API and the page."""


@api.command(epilog="Example: attune api start")
def start() -> None:
    """Serve the API and the page until Ctrl-C; `api.host` and `api.port` say where."""
    from attune.agent.control import Control, obey_signals
    from attune.agent.logs import configure_logging, log
    from attune.composition.databases import require_migrated, use_database
    from attune.composition.secrets import keyring_for
    from attune.composition.web import front_of, serve_api
    from attune.config import load_settings
    from attune.web.server import address_of, listen
    from attune.web.services import Services

    settings = load_settings(upwards=False)
    configure_logging(form=settings.log.format, level=settings.log.level)

    with use_database(settings) as database, listen(settings.api.host, settings.api.port) as bound:
        require_migrated(database.url)
        address = settings.api.public_url or address_of(bound)

        def ready(_services: Services) -> None:
            log.info(f"the API is served on {address}/api/docs")

        async def until_stopped() -> None:
            control = Control()
            obey_signals([control])
            keys, front = keyring_for(settings), front_of(settings.api)
            await serve_api(
                database.url, bound, control.stop, cipher=keys, front=front, on_ready=ready, heal=database.heal
            )

        asyncio.run(until_stopped())
