"""`attune up`: everything on this machine, until Ctrl-C."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from attune.cli.installation.background import marked_up, refuse_second, start_detached
from attune.config import variable
from attune.core.access.tokens import Scope

if TYPE_CHECKING:
    from attune.composition.databases import Database
    from attune.config import Settings
    from attune.core.ports.access import AccessStore

_PORTS = 20  # the configured one and, where somebody has it, the next ones
_MORE_SECONDS = 20.0  # to stop, after what work has


@click.command(epilog="Example: attune up --detach")
@click.option("--detach", is_flag=True, help="Return when all is up, and go on without a terminal until `attune down`.")
@click.option("--adopt", is_flag=True, help="Take over the database of an earlier installation, once there is a dump.")
def up(detach: bool, adopt: bool) -> int:
    """Run everything on this machine: the database, the API and the page, one worker, one sensor, until Ctrl-C.

    The database is the embedded PostgreSQL unless `database.url` (or DATABASE_URL) names one.
    """
    from attune.agent.logs import configure_logging
    from attune.composition.databases import data_dir, migrate, use_database
    from attune.composition.packs import load_demo
    from attune.composition.secrets import ensure_key
    from attune.config import load_settings
    from attune.web.server import listen

    settings = load_settings(upwards=False)
    if detach:
        return start_detached(settings, ["--adopt"] if adopt else [])
    refuse_second(data_dir(settings))
    configure_logging(form=settings.log.format, level=settings.log.level)
    tries = 1 if is_chosen(settings) else _PORTS
    with (
        listen(settings.api.host, settings.api.port, tries=tries) as bound,
        use_database(settings, create=True) as database,
        marked_up(data_dir(settings)) as tell_address,
    ):
        say(f"data: {data_dir(settings)}")
        if bound.getsockname()[1] != settings.api.port:
            say(f"attune: warning: another program listens on port {settings.api.port}", err=True)
        migrate(database.url, adopt=adopt)
        if said := asyncio.run(ensure_key(settings, database.url)):
            say(said, err=True)
        if settings.demo and asyncio.run(load_demo(database.url)):
            say("The pack demo is loaded: a timer, a rule and four actions. Without it: attune pack remove demo")
        asyncio.run(_everything(settings, database, bound, tell_address))
        say("attune is down.")
    return 0


def say(text: str, *, err: bool = False) -> None:
    """Print *text*, for whoever still reads."""
    from attune.cli.main import silence

    try:
        click.echo(text, err=err)
    except OSError:
        silence(sys.stderr if err else sys.stdout)


def is_chosen(settings: "Settings") -> bool:
    """Whether the port of the API was chosen, and is not the one that happens to be the default."""
    return variable("ATTUNE__API__PORT") is not None or settings.api.port != type(settings.api)().port


async def _everything(
    settings: "Settings", database: "Database", bound: socket.socket, tell_address: Callable[[str], None]
) -> None:
    """Run both nodes and the API until a signal; the API goes last, so that the page shows the nodes leave."""
    import attune.composition.node_services
    import attune.composition.web  # noqa: F401 - here once, and not in each process
    from attune.agent.processes import ServiceProcess, run_processes
    from attune.agent.service import under_manager
    from attune.cli.installation.api import start_api
    from attune.cli.main import reported
    from attune.cli.nodes.node import start_node
    from attune.core.nodes.role import ROLES, Role
    from attune.web.server import address_of

    def node(role: "Role", supervisor: socket.socket) -> int:
        bound.close()
        return reported(lambda: start_node(settings, role, supervisor=supervisor))

    def api(supervisor: socket.socket) -> int:
        return reported(lambda: start_api(settings, bound, supervisor))

    nodes = [
        ServiceProcess(name, partial(node, role), getattr(settings, name).drain_timeout + _MORE_SECONDS)
        for name, role in ROLES.items()
    ]

    async def announce() -> None:
        names = " and ".join(sorted(node.said for node in nodes))
        await _announce(settings, database, names, settings.api.public_url or address_of(bound), tell_address)

    async with under_manager():
        await run_processes([*nodes, ServiceProcess("api", api, _MORE_SECONDS)], announce)


async def _announce(
    settings: "Settings", database: "Database", names: str, address: str, tell_address: Callable[[str], None]
) -> None:
    """Say once that everything is up, and how to look at it."""
    from attune.agent.service import notify
    from attune.cli.main import program_name
    from attune.composition.databases import data_dir
    from attune.composition.web import access_on

    attune = program_name()
    async with access_on(database.url) as tokens:
        token = await _token(tokens, data_dir(settings) / "token")
        link = f"{address}/login?code={await tokens.login_link(token)}" if sys.stdout.isatty() else ""
    tell_address(address)
    notify("READY=1")
    say(f"attune is up: {names} are registered in {database.shown}.")
    if link:  # a journal would keep it
        say(f"The page, once within ten minutes: {link}")
    else:
        say(f"The page: {address}. A link that logs in: `{attune} token link {token}`")
    say(f"In the terminal: `{attune} worker list` and `{attune} sensor list`. Ctrl-C stops everything.")


async def _token(tokens: "AccessStore", file: Path) -> int:
    """The administrator's token in *file*, or one that is made and kept there."""
    kept = _kept_token(file)
    caller = await tokens.caller(kept) if kept else None
    if caller is not None:
        return caller.token_id
    number = max((token.id for token in await tokens.list_tokens()), default=0) + 1
    name = f"attune up on {socket.gethostname()} #{number}"
    token, text = await tokens.create(name, Scope.ADMIN, created_by="attune up")
    _keep_token(file, text)
    return token.id


def _kept_token(file: Path) -> str | None:
    try:
        return file.read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def _keep_token(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{text}\n")
    fresh.replace(file)
