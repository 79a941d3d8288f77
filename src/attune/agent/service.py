"""Run nodes in this process until a signal says stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping

import structlog

from attune.agent.node import run_node
from attune.agent.registration import REGISTRATIONS, NodeRegistration
from attune.config import Settings
from attune.core.node import Role
from attune.postgres.connection import open_pool

log = structlog.get_logger("attune")

Heal = Callable[[], Awaitable[None]]


async def run_service(
    settings: Settings,
    url: str,
    nodes: Mapping[Role, str | None],
    *,
    heal: Heal | None = None,
    on_ready: Callable[[NodeRegistration], None] | None = None,
) -> None:
    """Run one node for each role of *nodes* (its name, or None for the default) until SIGTERM or SIGINT.

    A second signal ends the process at once. Raises the first error that ends a node.
    """
    stop = asyncio.Event()
    _stop_on_signals(stop)
    async with open_pool(url, application_name="attune node") as pool:
        tasks = []
        for role, name in nodes.items():
            registration = REGISTRATIONS[role.name](pool, settings, name=name)
            tasks.append(
                asyncio.create_task(
                    run_node(
                        registration,
                        stop,
                        interval_seconds=settings.heartbeat.interval,
                        heal=heal,
                        on_ready=on_ready,
                    )
                )
            )
        try:
            await asyncio.gather(*tasks)
        finally:
            stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)


def _stop_on_signals(stop: asyncio.Event) -> None:
    def received(number: int) -> None:
        if stop.is_set():
            log.warning("stopping now, on the second signal")
            os._exit(128 + number)
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
