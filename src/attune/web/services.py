"""What the routes work with, made once for each process and handed to them by the app."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from attune.core.backoff import Backoff
from attune.core.packs.pack import Known, Pack, PackFile
from attune.core.ports.access import AccessStore, SecretStore
from attune.core.ports.changes import ChangeLog
from attune.core.ports.events import EventReader
from attune.core.ports.matching import Matcher
from attune.core.ports.nodes import NodeControl, NodeReader, NodeRequests
from attune.core.ports.packs import PackStore
from attune.core.ports.read_models import FleetPages, NodePages
from attune.core.ports.runtimes import PreviewReader, RuntimeEditor
from attune.core.ports.sensors import SensorReader
from attune.operations.executions.execute import ExecutionService
from attune.operations.nodes.refusals import Refusals
from attune.web.audit_writer import AuditWriter
from attune.web.caches import Callers, Fleets, ResponseCache
from attune.web.front import Front
from attune.web.hub import Hub

_THROTTLED = 10_000


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
    check_pack: Callable[[Sequence[PackFile], Known], Awaitable[Pack]]
    events: EventReader
    sensors: SensorReader
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
