"""Run nodes in this process until a signal says stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from attune.agent.control import Control, obey_signals
from attune.agent.node import NodeOptions, run_node
from attune.agent.node_services import node_services_of
from attune.agent.registration import REGISTRATIONS, NodeRegistration
from attune.agent.systemd import feed_watchdog, notify
from attune.config import NodeSettings, Settings
from attune.core.nodes.role import Role
from attune.core.ports.nodes import Overdue
from attune.postgres.connection import open_pool
from attune.postgres.nodes.node_control import PostgresNodeControl


async def _nothing() -> None: ...


async def run_service(
    settings: Settings,
    url: str,
    nodes: Mapping[Role, str | None],
    *,
    heal: Callable[[], Awaitable[None]] = _nothing,
    on_ready: Callable[[NodeRegistration], None] = lambda registration: None,
) -> None:
    """Run one node for each role of *nodes* (its name, or None for the default) until SIGTERM or SIGINT.

    A second signal ends the process at once, SIGHUP reloads. Raises the first error that ends a node.
    """
    controls = {role: Control() for role in nodes}
    obey_signals(list(controls.values()))
    waiting = set(nodes)

    def ready(registration: NodeRegistration) -> None:
        waiting.discard(registration.role)
        if not waiting:
            notify("READY=1")
        on_ready(registration)

    async with open_pool(url, application_name="attune node") as pool:
        watchdog = asyncio.create_task(feed_watchdog())
        tasks = [
            asyncio.create_task(
                run_node(
                    REGISTRATIONS[role.name](pool, settings, name=name),
                    PostgresNodeControl(pool),
                    controls[role],
                    replace(node_options(settings, role, heal, ready), services=node_services_of(role, pool)),
                )
            )
            for role, name in nodes.items()
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            notify("STOPPING=1")
            for control in controls.values():
                control.stop.set()
            watchdog.cancel()
            await asyncio.gather(*tasks, watchdog, return_exceptions=True)


def node_options(
    settings: Settings, role: Role, heal: Callable[[], Awaitable[None]], on_ready: Callable[[NodeRegistration], None]
) -> NodeOptions:
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
        on_ready=on_ready,
    )
