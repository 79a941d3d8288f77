"""What the routes work with, made once for each process and handed to them by the app."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request

from attune.core.access.tokens import Caller
from attune.core.backoff import Backoff
from attune.core.errors import AttuneError
from attune.core.ports.access import AccessStore, SecretStore
from attune.core.ports.changes import ChangeLog
from attune.core.ports.events import EventReader
from attune.core.ports.matching import Matcher
from attune.core.ports.nodes import NodeControl, NodeReader, NodeRequests
from attune.core.ports.packs import PackStore
from attune.core.ports.read_models import FleetPages, NodePages
from attune.core.ports.runtimes import PreviewReader, RuntimeEditor
from attune.operations.executions.execute import ExecutionService
from attune.operations.nodes.refusals import Refusals
from attune.web.caches import Callers, Fleets, ResponseCache
from attune.web.front import Front
from attune.web.hub import Hub

log = structlog.get_logger("attune.web")
_THROTTLED = _MOST_WAITING = 10_000
_AT_ONCE_SECONDS = 2.0


class Throttle:
    """How often each key may try: *burst* at once, then *per_second*. Keys beyond the last 10,000 are forgotten."""

    def __init__(self, *, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = float(burst)
        self._rate = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Count a try of *key*; 0 if it may go ahead, else the seconds until the next may."""
        now = self._clock()
        left, at = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        pause = 0.0 if left >= 1 else (1 - left) / self._rate
        self._buckets[key] = (left if pause else left - 1, now)
        if len(self._buckets) > _THROTTLED:
            self._buckets.popitem(last=False)
        return pause


class AuditWriter:
    """Writes the audit, in order. What the database does not take now waits here, is tried again, and is in the log."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._waiting: deque[tuple[Caller | None, dict[str, Any], float]] = deque()
        self._retrying: asyncio.Task[None] | None = None
        self.refusals = Refusals("cannot write the audit, it waits", "the audit is written again", Backoff(0.2, 5.0))

    async def write(self, caller: Caller | None, entry: dict[str, Any]) -> None:
        """Write one line, at once where that is possible."""
        self._waiting.append((caller, entry, time.monotonic()))
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._write())
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._retrying), _AT_ONCE_SECONDS)
        if len(self._waiting) > _MOST_WAITING:
            log.error("never in the audit", **self._waiting.popleft()[1])

    async def close(self) -> None:
        """Leave to the log what could not be written."""
        if self._retrying is not None:
            self._retrying.cancel()
        for _, entry, _ in self._waiting:
            log.error("never in the audit", **entry)

    async def _write(self) -> None:
        while self._waiting:
            line = self._waiting[0]
            caller, entry, since = line
            try:
                await self._store.note(caller, {**entry, "waited": time.monotonic() - since})
            except AttuneError as error:
                await asyncio.sleep(self.refusals.failed(error))
                continue
            self.refusals.worked()
            if self._waiting and self._waiting[0] is line:
                self._waiting.popleft()


@dataclass(frozen=True)
class Services:
    """What one API process works with."""

    runtimes: RuntimeEditor
    nodes: NodeReader
    control: NodeControl
    tokens: AccessStore
    node_pages: NodePages
    fleet_pages: FleetPages
    requests: NodeRequests
    previews: PreviewReader
    changes: ChangeLog
    hub: Hub
    callers: Callers
    fleets: Fleets
    matcher: Matcher
    answers: ResponseCache
    runs: ExecutionService
    packs: PackStore
    events: EventReader
    secrets: SecretStore
    audit: AuditWriter
    front: Front
    decisions: Refusals = field(
        default_factory=lambda: Refusals(
            "events of nodes wait for the database", "events of nodes wait no longer", Backoff(0.5, 5.0)
        )
    )
    logins: Throttle = field(default_factory=lambda: Throttle(burst=10, per_second=0.2))
    addresses: Throttle = field(default_factory=lambda: Throttle(burst=100, per_second=2.0))
    refusals: Throttle = field(default_factory=lambda: Throttle(burst=100, per_second=2.0))

    def forget(self) -> None:
        """Look at the nodes anew: whoever has just changed one here need not wait for the database to tell of it."""
        self.fleets.forget()
        self.answers.forget()


async def services_of(request: Request) -> Services:
    """The services of the app that got *request*."""
    # A dependency that is not async would be called in another thread, which costs more than all else here.
    services: Services = request.app.state.services
    return services


Given = Annotated[Services, Depends(services_of)]
