"""What the registry knows of nodes, for people and as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from attune.cli.sensors.sensors import running_on, sensors_table
from attune.cli.session import ask
from attune.cli.symbols import colour_of, with_symbol
from attune.cli.table import age, table, terminal_width
from attune.core.errors import ApiError, DatabaseError, UsageError
from attune.core.nodes.health import TransitionRecord
from attune.core.nodes.role import SENSOR, Role
from attune.core.ports.installation import Installation
from attune.core.ports.nodes import NodeReader, NodeRecord, RuntimeRecord
from attune.core.ports.sensors import SensorStatus
from attune.core.runtimes.aliases import nearest

_LOOK_EVERY_SECONDS = 1
_OLD = "\n\nas it was; now: "


def read_nodes(role: Role) -> Sequence[NodeRecord]:
    """The nodes of *role*."""
    return ask(lambda installation: installation.nodes.list_nodes(role))


@dataclass(frozen=True, slots=True)
class KnownNode:
    """A node, its runtimes, the last changes of its offer, and the sensors that it runs."""

    node: NodeRecord
    runtimes: Sequence[RuntimeRecord]
    transitions: Sequence[TransitionRecord]
    sensors: Sequence[SensorStatus] = ()


def read_node(role: Role, name: str) -> KnownNode:
    """What is known of the node *name*. Raises `UsageError` with the nearest name."""

    async def read(installation: Installation) -> KnownNode:
        nodes = installation.nodes
        node = await _find(nodes, role, name)
        runtimes, transitions = await nodes.node_runtimes(node.id), await nodes.node_transitions(node.id, 20)
        sensors = await running_on(installation, node.name) if role is SENSOR else ()
        return KnownNode(node, runtimes, transitions, sensors)

    return ask(read)


async def _find(registry: NodeReader, role: Role, name: str) -> NodeRecord:
    nodes = {node.name: node for node in await registry.list_nodes(role)}
    if name not in nodes:
        near = nearest(name, nodes)
        hint = f"attune {role.name} show {near}" if near else f"attune {role.name} list"
        raise UsageError(f"no {role.name} is called {name!r}", hint=hint)
    return nodes[name]


def ask_node(role: Role, name: str, verb: str) -> None:
    """Ask a node to `drain`, `resume` or `reload`. Raises `UsageError` where it is in no state to."""

    async def told(installation: Installation) -> None:
        node = await _find(installation.nodes, role, name)
        if not await getattr(installation.control, verb)(node.id):
            raise UsageError(f"expected a {role.name} that can {verb}, got {name}, which is {node.status}")

    ask(told)


def remove_node(role: Role, name: str, force: bool) -> None:
    """Forget a node. Raises `UsageError` for one that runs, unless *force*."""

    async def removed(installation: Installation) -> None:
        await installation.control.remove((await _find(installation.nodes, role, name)).id, force=force)

    ask(removed)


def watch_nodes(role: Role) -> None:
    """Draw the list again and again, until interrupted. An outage is shown until it is over."""
    from rich.live import Live
    from rich.text import Text

    async def watch(installation: Installation) -> None:
        text = nodes_table(await installation.nodes.list_nodes(role), role)
        with Live(auto_refresh=False, screen=False) as live:
            while True:
                live.update(Text.from_ansi(text), refresh=True)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
                try:
                    text = nodes_table(await installation.nodes.list_nodes(role), role)
                except (ApiError, DatabaseError) as error:
                    text = f"{text.partition(_OLD)[0]}{_OLD}{error}"

    ask(watch)


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


def print_node(known: KnownNode, as_json: bool) -> None:
    """One node with every verdict, what it runs, and the timeline of what it offered."""
    node, runtimes, transitions = known.node, known.runtimes, known.transitions
    if as_json:
        data = {
            **asdict(node),
            "runtimes": [asdict(runtime) for runtime in runtimes],
            "transitions": [asdict(one) for one in transitions],
        }
        if node.role == SENSOR.name:
            data["sensors"] = [asdict(one) for one in known.sensors]
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
    if known.sensors:
        click.echo(f"\n{sensors_table(known.sensors)}")
    if transitions:
        changes = [
            [one.at.strftime("%Y-%m-%d %H:%M:%S"), one.name, one.from_status, one.to_status, one.reason]
            for one in transitions
        ]
        click.echo(f"\n{table(['WHEN', 'RUNTIME', 'FROM', 'TO', 'WHY'], changes, width=terminal_width())}")
