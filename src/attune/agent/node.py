"""The life of one node: claim the name, detect, register, beat and keep it true until told to stop, drain, leave."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from attune.agent.control import Control, first_of
from attune.agent.health.monitor import HealthMonitor
from attune.agent.logs import log
from attune.agent.place import NodePlace
from attune.agent.registration import NodeRegistration
from attune.core.backoff import Backoff
from attune.core.errors import AttuneError, DatabaseError
from attune.core.ports.nodes import Heartbeat, NodeLifecycle, Overdue
from attune.core.ports.runtimes import MAX_CACHED_AGE_SECONDS
from attune.operations.nodes.refusals import Refusals

_RETRY = Backoff(0.5, 10.0)


async def _nothing() -> None: ...


class NodeService(Protocol):
    """What a node does beside its heartbeat: runs executions, runs sensors."""

    @property
    def writers(self) -> Sequence[Refusals]:
        """What is not stored at present, of each of its writers."""

    async def keep(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set. It may be cancelled then; what runs goes on."""

    async def finish(self) -> None:
        """Take nothing new, and return when nothing runs any more."""

    async def close(self) -> None:
        """End at once what still runs."""


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How a node behaves. Times are in seconds. `heal` is called while the database cannot be reached, `retain` now and
    then while it can, to remove what has expired.
    """

    interval: float = 10.0
    drain_timeout: float = 60.0
    overdue: Overdue = field(default_factory=Overdue)
    heal: Callable[[], Awaitable[None]] = _nothing
    retain: Callable[[], Awaitable[None]] = _nothing


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What one node consists of. `services` work beside its heartbeat."""

    registration: NodeRegistration
    lifecycle: NodeLifecycle
    monitor: HealthMonitor
    place: NodePlace
    services: Sequence[NodeService] = ()
    options: NodeOptions = field(default_factory=NodeOptions)


async def run_node(node: NodeParts, control: Control, on_ready: Callable[[NodeRegistration], object]) -> None:
    """Run until `control.stop` is set. Raises `NameTakenError` where the name is taken, now or by a newer start."""
    registration = node.registration
    structlog.contextvars.bind_contextvars(node=registration.name)
    await registration.claim()
    joined = await first_of(_join(node), control.stop) == 0
    try:
        if joined:
            on_ready(registration)
            beside = [node.monitor.keep(control.stop), node.place.keep(control.stop)]
            beside += [*(service.keep(control.stop) for service in node.services)]
            await first_of(HeartbeatLoop(node, control).beat(), *beside)
            await _drain(node, control.hurry)
    finally:
        if joined:
            await asyncio.gather(*(service.close() for service in node.services), return_exceptions=True)
        log.info(f"{registration.role.name} stops")
        with suppress(DatabaseError):
            await registration.deregister()


async def _join(node: NodeParts) -> None:
    registration = node.registration
    await node.place.look()
    await registration.detect_capabilities(max_age_seconds=MAX_CACHED_AGE_SECONDS)
    node_id = await registration.register()
    log.info(f"{registration.role.name} registered", id=node_id)
    await registration.tell_losses()


async def _drain(node: NodeParts, hurry: asyncio.Event) -> None:
    """Take nothing new and wait for what runs, as long as it may."""
    seconds = node.options.drain_timeout
    with suppress(DatabaseError):
        await node.lifecycle.drain(node.registration.node_id or 0)
    try:
        async with asyncio.timeout(seconds):
            await first_of(asyncio.gather(*(service.finish() for service in node.services)), hurry)
    except TimeoutError:
        log.warning(f"stopping although work still runs after {seconds:g} s")


@dataclass
class HeartbeatLoop:
    """The heartbeats of one node, and what it does when they bring news or fail."""

    node: NodeParts
    control: Control
    last: Heartbeat | None = None
    wait: float = 0.0
    must_reload: bool = False
    beside: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A node that was away only because the database was is back before it could be judged lost.
        soon = self.node.options.overdue.lost_after / 6
        retry = Backoff(min(_RETRY.first, soon), min(_RETRY.slowest, soon))
        self.refusals = Refusals("heartbeat failed, trying again until it works", "heartbeats work again", retry)
        self.reloads = Refusals("cannot reload, trying again until it works", "reloaded", retry)

    async def beat(self) -> None:
        """Beat until the node is told to stop."""
        try:
            await self._keep_beating()
        finally:
            for task in self.beside.values():
                task.cancel()

    async def _keep_beating(self) -> None:
        while True:
            await self._pause()
            if self.control.stop.is_set():
                return
            try:
                await self._once()
            except DatabaseError as error:
                self.wait = self.refusals.failed(error)
                with suppress(AttuneError):
                    await self.node.options.heal()
                continue
            if self.refusals.count:
                self.node.monitor.send_again()
            self.refusals.worked()

    async def _once(self) -> None:
        if self.control.reload.is_set():
            self.control.reload.clear()
            self.must_reload = True
        writers = [writer for service in self.node.services for writer in service.writers]
        beat = await self.node.registration.heartbeat("; ".join(writer.reason for writer in writers if writer.reason))
        last, self.last = self.last, beat
        if beat.reloads != (last.reloads if last is not None else 0):  # counted since the name is held
            log.info("reloading, as asked")
            self.must_reload = True
        before = last.status if last is not None else "active"
        if beat.status != before:
            log.info(f"now {beat.status}", before=before)
        self._begin(self._mark)
        if self.must_reload:
            self._begin(self._reload)
        if self.node.registration.is_misjudged:
            self._begin(self.node.registration.tell_problem)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do *work* beside the heartbeats, unless it still goes on. Raises what ended such work but the database."""
        for name in [name for name, task in self.beside.items() if task.done()]:
            with suppress(DatabaseError):
                self.beside.pop(name).result()
        if work.__name__ not in self.beside:
            self.beside[work.__name__] = asyncio.create_task(work())

    async def _reload(self) -> None:
        self.must_reload = False
        try:
            await self.node.registration.reload()
            self.reloads.worked()
        except DatabaseError as error:
            self.reloads.failed(error)
            self.must_reload = True

    async def _mark(self) -> None:
        await self.node.lifecycle.mark_overdue(self.node.options.overdue, self.node.registration.node_id or 0)

    async def _pause(self) -> None:
        """Wait for the next heartbeat, for news, or to be told something."""
        if self.refusals.count:
            await first_of(self.control.stop, self.control.reload, seconds=self.wait)
            return
        seconds = self.node.options.interval * random.uniform(1 - _RETRY.jitter, 1 + _RETRY.jitter)
        with suppress(DatabaseError):  # then the heartbeat fails, too, and says so
            news = self.node.registration.news(seconds)
            await first_of(news, self.control.stop, self.control.reload, seconds=seconds + 1)
