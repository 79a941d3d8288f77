"""What the registry knows of nodes, for people and as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from attune.bootstrap import opened, require_migrated, use_database
from attune.cli.symbols import colour_of, with_symbol
from attune.cli.table import age, table, terminal_width
from attune.config import load_settings
from attune.core.aliases import nearest
from attune.core.errors import UsageError
from attune.core.health import TransitionRecord
from attune.core.node import Role
from attune.core.ports import NodeRecord, RuntimeRecord

if TYPE_CHECKING:
    from attune.postgres.connection import Pool


async def read_nodes(role: Role) -> Sequence[NodeRecord]:
    """The nodes of *role*."""
    from attune.postgres.nodes import PostgresNodes

    with use_database(load_settings()) as database:
        await asyncio.to_thread(require_migrated, database.url)
        async with opened(database, "attune") as pool:
            return await PostgresNodes(pool).list_nodes(role)


async def read_node(role: Role, name: str) -> tuple[NodeRecord, Sequence[RuntimeRecord], Sequence[TransitionRecord]]:
    """The node *name*, its runtimes and the last changes of its offer. Raises `UsageError` with the nearest name."""
    from attune.postgres.nodes import PostgresNodes

    with use_database(load_settings()) as database:
        await asyncio.to_thread(require_migrated, database.url)
        async with opened(database, "attune") as pool:
            node = await _find(pool, role, name)
            registry = PostgresNodes(pool)
            return node, await registry.node_runtimes(node.id), await registry.node_transitions(node.id, 20)


async def _find(pool: Pool, role: Role, name: str) -> NodeRecord:
    from attune.postgres.nodes import PostgresNodes

    nodes = {node.name: node for node in await PostgresNodes(pool).list_nodes(role)}
    if name not in nodes:
        near = nearest(name, nodes)
        hint = f"attune {role.name} show {near}" if near else f"attune {role.name} list"
        raise UsageError(f"no {role.name} is called {name!r}", hint=hint)
    return nodes[name]


async def ask_node(role: Role, name: str, verb: str) -> None:
    """Ask a node to `drain`, `resume` or `reload`. Raises `UsageError` where it is in no state to."""
    from attune.postgres.life import PostgresLife

    with use_database(load_settings()) as database:
        async with opened(database, "attune") as pool:
            node = await _find(pool, role, name)
            if not await getattr(PostgresLife(pool), verb)(node.id):
                raise UsageError(f"expected a {role.name} that can {verb}, got {name}, which is {node.status}")


async def remove_node(role: Role, name: str, force: bool) -> None:
    """Forget a node. Raises `UsageError` for one that runs, unless *force*."""
    from attune.postgres.life import PostgresLife

    with use_database(load_settings()) as database:
        async with opened(database, "attune") as pool:
            await PostgresLife(pool).remove((await _find(pool, role, name)).id, force=force)


async def watch_nodes(role: Role) -> None:
    """Draw the list again and again, until interrupted."""
    from rich.live import Live
    from rich.text import Text

    from attune.postgres.nodes import PostgresNodes

    with use_database(load_settings()) as database:
        await asyncio.to_thread(require_migrated, database.url)
        async with opened(database, "attune") as pool:
            with Live(auto_refresh=False, screen=False) as live:
                while True:
                    nodes = await PostgresNodes(pool).list_nodes(role)
                    live.update(Text.from_ansi(nodes_table(nodes, role)), refresh=True)
                    await asyncio.sleep(1)


def print_nodes(nodes: Sequence[NodeRecord], role: Role, as_json: bool) -> None:
    """A row a node."""
    if as_json:
        click.echo(json.dumps([asdict(node) for node in nodes], default=str, indent=2, ensure_ascii=False))
        return
    click.echo(nodes_table(nodes, role))


def nodes_table(nodes: Sequence[NodeRecord], role: Role) -> str:
    """The list as people see it; where it is empty, the command that starts a node."""
    if not nodes:
        return f"No {role.name} has registered yet. Start one with: attune {role.name} start"
    rows = [
        [
            node.name,
            with_symbol(node.status),
            age(node.heartbeat_age),
            _versions(node.capabilities),
        ]
        for node in nodes
    ]
    colours = [colour_of(node.status) for node in nodes]
    return table(["NAME", "STATUS", "HEARTBEAT", "RUNTIMES"], rows, width=terminal_width(), colours=colours)


def _versions(capabilities: Mapping[str, Any]) -> str:
    versions, names = capabilities.get("runtime_versions"), capabilities.get("runtimes")
    if not isinstance(versions, dict):
        versions = {}
    if not isinstance(names, list):
        names = [] if names is None else [names]
    found = {str(name): versions.get(str(name)) for name in names}
    return (
        ", ".join(f"{name} {of[0]}" if of and isinstance(of, list) else name for name, of in found.items()) or "nothing"
    )


def print_node(
    node: NodeRecord, runtimes: Sequence[RuntimeRecord], transitions: Sequence[TransitionRecord], as_json: bool
) -> None:
    """One node with every verdict, and the timeline of what it offered."""
    if as_json:
        data = {
            **asdict(node),
            "runtimes": [asdict(runtime) for runtime in runtimes],
            "transitions": [asdict(one) for one in transitions],
        }
        click.echo(json.dumps(data, default=str, indent=2, ensure_ascii=False))
        return
    source = node.capabilities.get("runtime_source", "unknown")
    click.echo(f"{node.name}  {with_symbol(node.status)}  on {node.host or 'an unknown host'}", nl=False)
    click.echo(f"  heartbeat {age(node.heartbeat_age)} ago" if node.heartbeat_age is not None else "  no heartbeat yet")
    click.echo(f"runtimes decided by: {source}\n")
    rows = [
        [runtime.name, with_symbol(runtime.status), runtime.version or "", runtime.path or "", runtime.reason]
        for runtime in runtimes
    ]
    colours = [colour_of(runtime.status) for runtime in runtimes]
    heads = ["RUNTIME", "STATUS", "VERSION", "PATH", "WHY"]
    click.echo(table(heads, rows, width=terminal_width(), colours=colours, squeeze=3))
    if transitions:
        changes = [
            [one.at.strftime("%Y-%m-%d %H:%M:%S"), one.name, one.from_status, one.to_status, one.reason]
            for one in transitions
        ]
        click.echo(f"\n{table(['WHEN', 'RUNTIME', 'FROM', 'TO', 'WHY'], changes, width=terminal_width())}")
