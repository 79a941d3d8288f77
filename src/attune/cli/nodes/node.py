"""`attune worker …` and `attune sensor …`: the same commands for both roles."""

import asyncio
import socket
from typing import TYPE_CHECKING

import click

from attune.cli.nodes.fleet import on_node, print_node, print_nodes, watch_nodes
from attune.cli.output import json_option
from attune.cli.sensors.sensor import definitions, disable, enable, move, print_sensor
from attune.core.errors import UsageError, shown
from attune.core.nodes.role import ROLES, SENSOR, Role
from attune.core.ports.installation import Installation
from attune.core.ports.nodes import NodeRecord

if TYPE_CHECKING:
    from attune.config import Settings

_VERBS = (
    ("drain", "drains", "Let it finish what it has and take nothing new."),
    ("resume", "takes work again", "Let it take work again after a drain."),
    (
        "reload",
        "reads the definitions again",
        "Let it read the definitions again and verify them (SIGHUP does the same).",
    ),
)


def _group(role: Role) -> click.Group:
    name, other = role.name, "sensor" if role.name == "worker" else "worker"

    @click.group(
        name=name,
        help=f"Start a {name}; list and show the {name}s of the fleet.",
        epilog=f"Example: attune {name} start --name {name}-1    (see also: attune {other} --help)",
    )
    def group() -> None: ...

    _add_start(group, role)
    _add_reads(group, role)
    for verb, done, text in _VERBS:
        _add_verb(group, role, verb=verb, done=done, text=text)
    _add_remove(group, role)
    return group


def _add_verb(group: click.Group, role: Role, *, verb: str, done: str, text: str) -> None:
    @group.command(name=verb, help=text, epilog=f"Example: attune {role.name} {verb} {role.name}-1")
    @click.argument("name")
    def ask(name: str) -> None:
        async def request(installation: Installation, node: NodeRecord) -> None:
            if not await getattr(installation.control, verb)(node.id):
                raise UsageError(f"expected a {role.name} that can {verb}, got {name}, which is {node.status}")

        on_node(role, name, request)
        click.echo(f"{name} {done}")


def _add_remove(group: click.Group, role: Role) -> None:
    @group.command(
        name="remove",
        help=f"Forget a {role.name} that is inactive or lost.",
        epilog=f"Example: attune {role.name} remove {role.name}-1",
    )
    @click.argument("name")
    @click.option("--force", is_flag=True, help="Also one that runs; it registers again with its next heartbeat.")
    def remove(name: str, force: bool) -> None:
        on_node(role, name, lambda installation, node: installation.control.remove(node.id, force=force))
        click.echo(f"{name} is forgotten")


def _add_start(group: click.Group, role: Role) -> None:
    @group.command(
        name="start",
        help=f"Detect what this host can run, register it, and stay up as a {role.name} until SIGTERM or Ctrl-C.",
        epilog=f"Example: {role.environment_variable}=python,shell attune {role.name} start --name {role.name}-1",
    )
    @click.option("--name", help=f"The {role.name}'s name. Default: {role.name}-HOSTNAME.")
    def start(name: str | None) -> None:
        from attune.config import load_settings

        if name is not None and (not name.isprintable() or not 0 < len(name.strip()) == len(name) < 256):
            raise UsageError(f"--name: expected a name of one line without spaces around it, got {shown(name)}")
        start_node(load_settings(upwards=False), role, name)


def start_node(
    settings: "Settings", role: Role, name: str | None = None, supervisor: socket.socket | None = None
) -> None:
    """Run a node of *role* until a signal, or until *supervisor* says so."""
    from attune.agent.logs import configure_logging
    from attune.composition.databases import require_migrated, use_database
    from attune.composition.node_services import run_node_on

    configure_logging(form=settings.log.format, level=settings.log.level)
    with use_database(settings) as database:
        require_migrated(database.url)
        asyncio.run(run_node_on(settings, database.url, role, name, heal=database.heal, supervisor=supervisor))


def _add_reads(group: click.Group, role: Role) -> None:
    name, more = role.name, " With the ref of a sensor: how that is." if role is SENSOR else ""

    @group.command(
        name="list", help=f"The {name}s, with what they offer.", epilog=f"Example: attune {name} list --json"
    )
    @json_option
    @click.option("--watch", is_flag=True, help="Keep the list on the screen and up to date, until Ctrl-C.")
    def list_nodes(as_json: bool, watch: bool) -> None:
        if watch:
            watch_nodes(role)
        else:
            print_nodes(role, as_json)

    @group.command(
        help=f"One {name}: every runtime with its verdict and evidence.{more}",
        epilog=f"Example: attune {name} show {name}-1",
    )
    @click.argument("name")
    @json_option
    def show(name: str, as_json: bool) -> None:
        if role is not SENSOR or not print_sensor(name, as_json):
            print_node(role, name, as_json)


worker, sensor = (_group(role) for role in ROLES.values())
for _command in (definitions, enable, disable, move):
    sensor.add_command(_command)
