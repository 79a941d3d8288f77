"""What the registry knows of nodes, for people and as JSON."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from shlex import quote
from typing import Any, TypeVar

import click

from attune.cli.output import listing, moment, print_json, print_list, with_symbol
from attune.cli.session import ask
from attune.core.durations import coarse
from attune.core.errors import ApiError, DatabaseError, UsageError
from attune.core.nodes.health import TransitionRecord
from attune.core.nodes.role import SENSOR, Role
from attune.core.ports.installation import Installation
from attune.core.ports.nodes import NodeRecord, RuntimeRecord
from attune.core.ports.sensors import SensorStatus
from attune.core.runtimes.aliases import nearest

T = TypeVar("T")
_KnownNode = tuple[NodeRecord, Sequence[RuntimeRecord], Sequence[TransitionRecord], Sequence[SensorStatus]]
_HEADS = ("NAME", "STATUS", "HEARTBEAT", "RUNTIMES")
_LOOK_EVERY_SECONDS = 1
_OLD = "\n\nas it was; now: "


def on_node(role: Role, name: str, work: Callable[[Installation, NodeRecord], Awaitable[T]]) -> T:
    """What *work* gives on the node *name*. Raises `UsageError` with the nearest name where there is none."""

    async def find_and_work(installation: Installation) -> T:
        nodes = {node.name: node for node in await installation.nodes.list_nodes(role)}
        if name not in nodes:
            near = nearest(name, nodes)
            hint = f"attune {role.name} show {quote(near)}" if near else f"attune {role.name} list"
            raise UsageError(f"no {role.name} is called {name!r}", hint=hint)
        return await work(installation, nodes[name])

    return ask(find_and_work)


def watch_nodes(role: Role) -> None:
    """Draw the list again and again, until interrupted. An outage is shown until it is over."""
    from rich.live import Live
    from rich.text import Text

    async def drawn(installation: Installation) -> str:
        nodes = await installation.nodes.list_nodes(role)
        return listing(_HEADS, map(_row, nodes), status=True) if nodes else _no_node(role)

    async def watch(installation: Installation) -> None:
        text = await drawn(installation)
        with Live(auto_refresh=False, screen=False) as live:
            while True:
                live.update(Text.from_ansi(text), refresh=True)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
                try:
                    text = await drawn(installation)
                except (ApiError, DatabaseError) as error:
                    text = f"{text.partition(_OLD)[0]}{_OLD}{error}"

    ask(watch)


def print_nodes(role: Role, as_json: bool) -> None:
    """A row a node; where there is none, the command that starts one."""
    nodes = ask(lambda installation: installation.nodes.list_nodes(role))
    print_list(nodes, as_json, _HEADS, _row, empty=_no_node(role), status=True)


def _no_node(role: Role) -> str:
    return f"No {role.name} has registered yet. Start one with: attune {role.name} start"


def _row(node: NodeRecord) -> list[str]:
    age = "never" if node.heartbeat_age is None else coarse(node.heartbeat_age)
    return [node.name, node.status, age, _versions(node.capabilities)]


def _versions(capabilities: Mapping[str, Any]) -> str:
    versions, names = capabilities.get("runtime_versions"), capabilities.get("runtimes")
    if not isinstance(versions, dict):
        versions = {}
    if not isinstance(names, list):
        names = [] if names is None else [names]
    offered = [(str(name), versions.get(str(name))) for name in dict.fromkeys(names)]
    return ", ".join(f"{name} {of[0]}" if of and isinstance(of, list) else name for name, of in offered) or "nothing"


def print_node(role: Role, name: str, as_json: bool) -> None:
    """One node with every verdict, what it runs, and the timeline of what it offered."""

    async def read(installation: Installation, node: NodeRecord) -> _KnownNode:
        runtimes = await installation.nodes.node_runtimes(node.id)
        transitions = await installation.nodes.node_transitions(node.id, 20)
        known = await installation.sensors.status() if role is SENSOR else ()
        return node, runtimes, transitions, [sensor for sensor in known if sensor.node == node.name]

    node, runtimes, transitions, sensors = on_node(role, name, read)
    if as_json:
        data = {**asdict(node), "runtimes": runtimes, "transitions": transitions}
        print_json({**data, "sensors": sensors} if role is SENSOR else data)
        return
    heartbeat = "no heartbeat yet" if node.heartbeat_age is None else f"heartbeat {coarse(node.heartbeat_age)} ago"
    click.echo(f"{node.name}  {with_symbol(node.status)}  on {node.host or 'an unknown host'}  {heartbeat}")
    if node.problem:
        click.echo(f"takes nothing: {node.problem}")
    click.echo(f"runtimes decided by: {node.capabilities.get('runtime_source', 'unknown')}\n")
    rows = [[it.name, it.status, it.version or "", it.path or "", it.reason] for it in runtimes]
    click.echo(listing(["RUNTIME", "STATUS", "VERSION", "PATH", "WHY"], rows, status=True))
    if sensors:
        states = [[it.ref, it.state, str(it.pid or ""), str(it.restarts), it.reason] for it in sensors]
        click.echo(f"\n{listing(['SENSOR', 'STATE', 'PID', 'RESTARTS', 'WHY'], states, status=True)}")
    if transitions:
        changes = [[moment(it.at), it.name, it.from_status, it.to_status, it.reason] for it in transitions]
        click.echo(f"\n{listing(['WHEN', 'RUNTIME', 'FROM', 'TO', 'WHY'], changes)}")
