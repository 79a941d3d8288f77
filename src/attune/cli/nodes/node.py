"""`attune worker …` and `attune sensor …`: the same commands for both roles."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from attune.cli.sensors.sensor import definitions, disable, enable
from attune.core.nodes.role import ROLES, Role


def _group(role: Role) -> click.Group:
    other = "sensor" if role.name == "worker" else "worker"

    @click.group(
        name=role.name,
        help=f"Start a {role.name}; list and show the {role.name}s of the fleet.",
        epilog=f"Example: attune {role.name} start --name {role.name}-1    (see also: attune {other} --help)",
    )
    def group() -> None: ...

    group.add_command(_start(role))
    group.add_command(_list(role))
    group.add_command(_show(role))
    for verb, done, text in _VERBS:
        group.add_command(_verb(role, verb, done, text))
    group.add_command(_remove(role))
    return group


_VERBS = (
    ("drain", "drains", "Let it finish what it has and take nothing new."),
    ("resume", "takes work again", "Let it take work again after a drain."),
    (
        "reload",
        "reads the definitions again",
        "Let it read the definitions again and verify them (SIGHUP does the same).",
    ),
)


def _verb(role: Role, verb: str, done: str, text: str) -> click.Command:
    @click.command(name=verb, help=text, epilog=f"Example: attune {role.name} {verb} {role.name}-1")
    @click.argument("name")
    def ask(name: str) -> None:
        from attune.cli.nodes.fleet import ask_node

        ask_node(role, name, verb)
        click.echo(f"{name} {done}")

    return ask


def _remove(role: Role) -> click.Command:
    @click.command(
        name="remove",
        help=f"Forget a {role.name} that is inactive or lost.",
        epilog=f"Example: attune {role.name} remove {role.name}-1",
    )
    @click.argument("name")
    @click.option("--force", is_flag=True, help="Also one that runs; it registers again with its next heartbeat.")
    def remove(name: str, force: bool) -> None:
        from attune.cli.nodes.fleet import remove_node

        remove_node(role, name, force)
        click.echo(f"{name} is forgotten")

    return remove


def _start(role: Role) -> click.Command:
    @click.command(
        name="start",
        help=f"Detect what this host can run, register it, and stay up as a {role.name} until SIGTERM or Ctrl-C.",
        epilog=f"Example: {role.environment_variable}=python,shell attune {role.name} start --name {role.name}-1",
    )
    @click.option("--name", help=f"The {role.name}'s name. Default: {role.name}-HOSTNAME.")
    def start(name: str | None) -> None:
        from attune.agent.logs import configure_logging
        from attune.composition.databases import require_migrated, use_database
        from attune.composition.node_services import run_nodes
        from attune.config import load_settings

        settings = load_settings()
        configure_logging(form=settings.log.format, level=settings.log.level)
        with use_database(settings) as database:
            require_migrated(database.url)
            asyncio.run(run_nodes(settings, database.url, {role: name}, heal=database.heal))

    return start


def _list(role: Role) -> click.Command:
    @click.command(
        name="list", help=f"The {role.name}s, with what they offer.", epilog=f"Example: attune {role.name} list --json"
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.option("--watch", is_flag=True, help="Keep the list on the screen and up to date, until Ctrl-C.")
    def list_nodes(as_json: bool, watch: bool) -> None:
        from attune.cli.nodes.fleet import print_nodes, read_nodes, watch_nodes

        if watch:
            watch_nodes(role)
            return
        print_nodes(read_nodes(role), role, as_json)

    return list_nodes


def _show(role: Role) -> click.Command:
    @click.command(
        name="show",
        help=f"One {role.name}: every runtime with its verdict and evidence.",
        epilog=f"Example: attune {role.name} show {role.name}-1",
    )
    @click.argument("name")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def show(name: str, as_json: bool) -> None:
        from attune.cli.nodes.fleet import print_node, read_node

        print_node(read_node(role, name), as_json)

    return show


_groups: dict[str, Any] = {name: _group(role) for name, role in ROLES.items()}
worker: click.Group = _groups["worker"]
sensor: click.Group = _groups["sensor"]
for _command in (definitions, enable, disable):
    sensor.add_command(_command)
