"""`attune up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio

import click


@click.command(epilog="Example: attune up")
def up() -> None:
    """Run everything on this machine: the database, its migrations, one worker and one sensor, until Ctrl-C.

    The database is the embedded PostgreSQL unless `database.url` (or DATABASE_URL) names one.
    """
    from attune.agent.logs import configure_logging
    from attune.agent.registration import NodeRegistration
    from attune.agent.service import run_service
    from attune.bootstrap import migrate, use_database
    from attune.cli.main import program_name
    from attune.config import load_settings
    from attune.core.node import SENSOR, WORKER
    from attune.postgres.connection import without_password

    settings = load_settings()
    configure_logging(form=settings.log.format, level=settings.log.level)
    ready: list[NodeRegistration] = []

    def announce(registration: NodeRegistration) -> None:
        ready.append(registration)
        if len(ready) == 2:
            names = " and ".join(sorted(one.name for one in ready))
            click.echo(f"attune is up: {names} are registered in {without_password(database.url)}.")
            attune = program_name()
            click.echo(f"Look at them with `{attune} worker list` and `{attune} sensor list`. Ctrl-C stops everything.")

    with use_database(settings) as database:
        migrate(database.url)
        asyncio.run(
            run_service(settings, database.url, {WORKER: None, SENSOR: None}, heal=database.heal, on_ready=announce)
        )
        click.echo("attune is down.")
