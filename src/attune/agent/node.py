"""The life of one node: claim the name, detect, register, beat and keep it true until told to stop, drain, leave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from attune.agent.control import Control, first_of
from attune.agent.health.monitor import HealthMonitor
from attune.agent.logs import log
from attune.agent.registration import NodeRegistration
from attune.core.backoff import Backoff
from attune.core.errors import AttuneError, DatabaseError
from attune.core.ports.nodes import Heartbeat, NodeLifecycle, Overdue
from attune.core.ports.runtimes import MAX_CACHED_AGE_SECONDS

_RETRY = Backoff(0.5, 10.0)


async def _nothing() -> None: ...


class NodeService(Protocol):
    """What a node does beside its heartbeat: runs executions, runs sensors."""

    async def keep(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set. It may be cancelled then; what runs goes on."""

    async def finish(self) -> None:
        """Take nothing new, and return when nothing runs any more."""

    async def close(self) -> None:
        """End at once what still runs."""


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How a node behaves. Times are in seconds.

    `heal` is called while the database cannot be reached; what works beside the heartbeat has `drain_timeout` to
    finish when the node is told to stop.
    """

    interval: float = 10.0
    drain_timeout: float = 60.0
    overdue: Overdue = field(default_factory=Overdue)
    heal: Callable[[], Awaitable[None]] = _nothing


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What one node consists of. `services` work beside its heartbeat."""

    registration: NodeRegistration
    lifecycle: NodeLifecycle
    monitor: HealthMonitor
    services: Sequence[NodeService] = ()
    options: NodeOptions = field(default_factory=NodeOptions)


async def run_node(node: NodeParts, control: Control, on_ready: Callable[[NodeRegistration], None]) -> None:
    """Run until `control.stop` is set. Raises `NameTakenError` where the name is taken, now or after an outage."""
    registration = node.registration
    structlog.contextvars.bind_contextvars(node=registration.name)
    await registration.claim()
    joined = await first_of(_join(registration), control.stop) == 0
    try:
        if joined:
            on_ready(registration)
            beside = [node.monitor.keep(control.stop), *(one.keep(control.stop) for one in node.services)]
            await first_of(HeartbeatLoop(node, control).beat(), *beside)
            await _drain(node)
    finally:
        if joined:
            await asyncio.gather(*(one.close() for one in node.services), return_exceptions=True)
        log.info(f"{registration.role.name} stops")
        with suppress(DatabaseError):
            await registration.deregister()


async def _join(registration: NodeRegistration) -> None:
    await registration.detect_capabilities(max_age_seconds=MAX_CACHED_AGE_SECONDS)
    node_id = await registration.register()
    log.info(f"{registration.role.name} registered", id=node_id)


async def _drain(node: NodeParts) -> None:
    """Take nothing new and wait for what runs, as long as it may."""
    seconds = node.options.drain_timeout
    with suppress(DatabaseError):
        await node.lifecycle.drain(node.registration.node_id or 0)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(one.finish() for one in node.services))
    except TimeoutError:
        log.warning(f"stopping although work still runs after {seconds:g} s")


class HeartbeatLoop:
    """The heartbeats of one node, and what it does when they bring news or fail."""

    def __init__(self, node: NodeParts, control: Control) -> None:
        self._registration = node.registration
        self._lifecycle = node.lifecycle
        self._options = node.options
        self._control = control
        self._last: Heartbeat | None = None
        self._failures = 0

    async def beat(self) -> None:
        """Beat until the node is told to stop."""
        while True:
            await self._pause()
            if self._control.stop.is_set():
                return
            try:
                await self._once()
            except DatabaseError as error:
                await self._failed(error)
                continue
            if self._failures:
                log.info("heartbeats work again", failed=self._failures)
            self._failures = 0

    async def _once(self) -> None:
        if self._control.reload.is_set():
            self._control.reload.clear()
            await self._registration.reload()
        beat = await self._registration.heartbeat()
        last, self._last = self._last, beat
        if last is not None and beat.reloads != last.reloads:
            log.info("reloading, as asked")
            await self._registration.reload()
        before = last.status if last is not None else "active"
        if beat.status != before:
            log.info(f"now {beat.status}", before=before)
        await self._lifecycle.mark_overdue(self._options.overdue)

    async def _failed(self, error: DatabaseError) -> None:
        if not self._failures:
            log.warning(f"heartbeat failed, trying again until it works: {error}")
        self._failures += 1
        with suppress(AttuneError):
            await self._options.heal()

    async def _pause(self) -> None:
        """Wait for the next heartbeat, for news, or to be told something."""
        if self._failures:
            seconds = _RETRY.delay(self._failures, random.random())
            await first_of(self._control.stop, self._control.reload, seconds=seconds)
            return
        seconds = self._options.interval * random.uniform(1 - _RETRY.jitter, 1 + _RETRY.jitter)
        with suppress(DatabaseError):  # then the heartbeat fails, too, and says so
            news = self._registration.news(seconds)
            await first_of(news, self._control.stop, self._control.reload, seconds=seconds + 1)
