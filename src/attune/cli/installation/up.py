"""`attune up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from socket import socket

    from attune.agent.registration import NodeRegistration
    from attune.composition.databases import Database
    from attune.config import Settings
    from attune.core.ports.access import AccessStore
    from attune.web.services import Services

_PORTS = 20  # the configured one and, where somebody has it, the next ones


@click.command(epilog="Example: attune up")
def up() -> None:
    """Run everything on this machine: the database, the API and the page, one worker, one sensor, until Ctrl-C.

    The database is the embedded PostgreSQL unless `database.url` (or DATABASE_URL) names one.
    """
    from attune.agent.logs import configure_logging
    from attune.composition.databases import migrate, use_database
    from attune.composition.packs import load_demo
    from attune.config import load_settings
    from attune.web.server import listen

    settings = load_settings()
    configure_logging(form=settings.log.format, level=settings.log.level)
    with use_database(settings) as database, listen(settings.api.host, settings.api.port, tries=_PORTS) as bound:
        migrate(database.url)
        if settings.demo and asyncio.run(load_demo(database.url)):
            click.echo(
                "The pack demo is loaded: a timer, a rule and three actions. Without it: attune pack remove demo"
            )
        asyncio.run(_everything(settings, database, bound))
        click.echo("attune is down.")


async def _everything(settings: Settings, database: Database, bound: socket) -> None:
    """The API and both nodes, until a signal; the API goes last, so that the page shows the nodes leave."""
    from attune.composition.node_services import run_nodes
    from attune.composition.web import serve_api
    from attune.core.nodes.role import SENSOR, WORKER

    announcement = _Announcement(settings, database, bound)
    stop = asyncio.Event()
    api = asyncio.create_task(
        serve_api(settings, database.url, bound, stop, on_ready=announcement.api_is_ready, heal=database.heal)
    )
    nodes = asyncio.create_task(
        run_nodes(
            settings,
            database.url,
            {WORKER: None, SENSOR: None},
            heal=database.heal,
            on_ready=announcement.node_is_ready,
        )
    )
    try:
        await asyncio.wait({api, nodes}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        if not nodes.done() and not api.cancelled():
            nodes.cancel()
        await asyncio.gather(api, nodes, return_exceptions=True)
    for task in (nodes, api):
        if not task.cancelled():
            task.result()


class _Announcement:
    """Says once that everything is up, and how to look at it."""

    def __init__(self, settings: Settings, database: Database, bound: socket) -> None:
        self._settings = settings
        self._database = database
        self._bound = bound
        self._names: list[str] = []
        self._tokens: AccessStore | None = None
        self._task: asyncio.Task[None] | None = None

    def node_is_ready(self, registration: NodeRegistration) -> None:
        self._names.append(registration.name)
        self._say_if_complete()

    def api_is_ready(self, services: Services) -> None:
        self._tokens = services.tokens
        self._say_if_complete()

    def _say_if_complete(self) -> None:
        if self._tokens is not None and len(self._names) == 2 and self._task is None:
            self._task = asyncio.create_task(self._say(self._tokens))

    async def _say(self, tokens: AccessStore) -> None:
        from attune.cli.main import program_name
        from attune.composition.databases import data_dir
        from attune.web.login_link import login_link
        from attune.web.server import address_of

        address = self._settings.api.public_url or address_of(self._bound)
        link = await login_link(tokens, data_dir(self._settings) / "token", address)
        attune = program_name()
        names = " and ".join(sorted(self._names))
        click.echo(f"attune is up: {names} are registered in {self._database.shown}.")
        click.echo(f"The page, for a day: {link}")
        click.echo(f"In the terminal: `{attune} worker list` and `{attune} sensor list`. Ctrl-C stops everything.")
