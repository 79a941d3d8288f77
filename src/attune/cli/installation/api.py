"""`attune api start`: the HTTP API and the page, until a signal."""

import asyncio
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from attune.composition.databases import Database
    from attune.config import Settings


@click.group()
def api() -> None:
    """The HTTP API and the page."""


@api.command(epilog="Example: attune api start")
def start() -> None:
    """Serve the API and the page until Ctrl-C; `api.host` and `api.port` say where."""
    from attune.config import load_settings

    start_api(load_settings(upwards=False))


def start_api(
    settings: "Settings", bound: socket.socket | None = None, supervisor: socket.socket | None = None
) -> None:
    """Serve, on *bound* where that is given, until a signal or until *supervisor* says so."""
    from attune.agent.control import Control, obey_signals, obey_supervisor
    from attune.agent.logs import configure_logging, log
    from attune.composition.databases import require_migrated, use_database
    from attune.composition.secrets import keyring_for
    from attune.composition.web import front_of, serve_api
    from attune.web.server import address_of, listen

    configure_logging(form=settings.log.format, level=settings.log.level)

    async def serve(database: "Database", bound: socket.socket) -> None:
        obey_signals(control := Control())
        tell = log.info if supervisor is None else obey_supervisor(control, supervisor)
        said = f"the API is served on {settings.api.public_url or address_of(bound)}/api/docs"
        await serve_api(
            database.url,
            bound,
            control.stop,
            cipher=keyring_for(settings),
            front=front_of(settings.api),
            on_ready=lambda _: tell(said),
            heal=database.heal,
            keep=asdict(settings.retention),
            told_every=settings.heartbeat.interval,
        )

    with use_database(settings) as database:
        require_migrated(database.url)
        with bound or listen(settings.api.host, settings.api.port) as listening:
            asyncio.run(serve(database, listening))
