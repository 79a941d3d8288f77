"""Run nodes in this process until a signal says stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from attune.agent.control import Control, obey_signals
from attune.agent.node import NodeOptions, NodeParts, run_node
from attune.agent.registration import NodeRegistration
from attune.agent.systemd import feed_watchdog, notify
from attune.config import NodeSettings, Settings
from attune.core.nodes.role import Role
from attune.core.ports.nodes import Overdue


async def run_service(
    nodes: Sequence[NodeParts], *, on_ready: Callable[[NodeRegistration], None] = lambda registration: None
) -> None:
    """Run *nodes* until SIGTERM or SIGINT (SIGHUP reloads). Raises the first error that ends a node."""
    controls = [Control() for _ in nodes]
    obey_signals(controls)
    waiting = {node.registration.role for node in nodes}

    def ready(registration: NodeRegistration) -> None:
        waiting.discard(registration.role)
        if not waiting:
            notify("READY=1")
        on_ready(registration)

    watchdog = asyncio.create_task(feed_watchdog())
    tasks = [asyncio.create_task(run_node(node, control, ready)) for node, control in zip(nodes, controls, strict=True)]
    try:
        await asyncio.gather(*tasks)
    finally:
        notify("STOPPING=1")
        for control in controls:
            control.stop.set()
        watchdog.cancel()
        await asyncio.gather(*tasks, watchdog, return_exceptions=True)


def node_options(settings: Settings, role: Role, heal: Callable[[], Awaitable[None]]) -> NodeOptions:
    """How *settings* want nodes of *role* to behave."""
    heartbeat = settings.heartbeat
    section: NodeSettings = getattr(settings, role.settings_section)
    return NodeOptions(
        interval=heartbeat.interval,
        drain_timeout=section.drain_timeout,
        overdue=Overdue(
            stale_after=heartbeat.stale_after,
            lost_after=heartbeat.lost_after,
            amnesty=heartbeat.amnesty,
            look_every=heartbeat.interval / 2,
        ),
        heal=heal,
    )
