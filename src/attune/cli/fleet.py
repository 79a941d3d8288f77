"""What the registry knows of nodes, for people and as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from attune.bootstrap import opened, require_migrated, use_database
from attune.cli.symbols import colour_of, with_symbol
from attune.cli.table import age, table, terminal_width
from attune.config import load_settings
from attune.core.aliases import nearest
from attune.core.errors import UsageError
from attune.core.node import Role
from attune.core.ports import NodeRecord, RuntimeRecord


async def read_nodes(role: Role) -> Sequence[NodeRecord]:
    """The nodes of *role*."""
    from attune.postgres.nodes import PostgresNodes

    with use_database(load_settings()) as database:
        await asyncio.to_thread(require_migrated, database.url)
        async with opened(database, "attune") as pool:
            return await PostgresNodes(pool).list_nodes(role)


async def read_node(role: Role, name: str) -> tuple[NodeRecord, Sequence[RuntimeRecord]]:
    """The node *name* and its runtimes. Raises `UsageError` with the nearest name."""
    from attune.postgres.nodes import PostgresNodes

    with use_database(load_settings()) as database:
        await asyncio.to_thread(require_migrated, database.url)
        async with opened(database, "attune") as pool:
            registry = PostgresNodes(pool)
            nodes = {node.name: node for node in await registry.list_nodes(role)}
            if name not in nodes:
                near = nearest(name, nodes)
                hint = f"attune {role.name} show {near}" if near else f"attune {role.name} list"
                raise UsageError(f"no {role.name} is called {name!r}", hint=hint)
            return nodes[name], await registry.node_runtimes(nodes[name].id)


def print_nodes(nodes: Sequence[NodeRecord], role: Role, as_json: bool) -> None:
    """A row a node."""
    if as_json:
        click.echo(json.dumps([asdict(node) for node in nodes], default=str, indent=2, ensure_ascii=False))
        return
    if not nodes:
        click.echo(f"No {role.name} has registered yet. Start one with: attune {role.name} start")
        return
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
    click.echo(table(["NAME", "STATUS", "HEARTBEAT", "RUNTIMES"], rows, width=terminal_width(), colours=colours))


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


def print_node(node: NodeRecord, runtimes: Sequence[RuntimeRecord], as_json: bool) -> None:
    """One node with every verdict."""
    if as_json:
        data = {**asdict(node), "runtimes": [asdict(runtime) for runtime in runtimes]}
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
