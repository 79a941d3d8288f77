"""What the routes work with, made once for each process and handed to them by the app."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from attune.config import Settings
from attune.operations.executions.execute import ExecutionService
from attune.postgres.access.tokens import PostgresTokens
from attune.postgres.changes import PostgresChanges
from attune.postgres.connection import Pool
from attune.postgres.events.log import PostgresEventLog
from attune.postgres.nodes.node_control import PostgresNodeControl
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.nodes.requests import PostgresNodeRequests
from attune.postgres.packs.store import PostgresPacks
from attune.postgres.read_models.metrics import PostgresMetrics
from attune.postgres.read_models.node_pages import PostgresNodePages
from attune.postgres.runtimes.previews import PostgresPreviews
from attune.postgres.runtimes.store import PostgresRuntimes
from attune.reactions import recorder
from attune.runs import execution_service
from attune.web.caches import Callers, Fleets
from attune.web.hub import Hub
from attune.web.response_cache import ResponseCache
from attune.web.throttle import Throttle


@dataclass(frozen=True)
class Services:
    """The adapters of one API process. `url` is the database's, for connections that listen."""

    pool: Pool
    url: str
    settings: Settings
    runtimes: PostgresRuntimes
    nodes: PostgresNodes
    life: PostgresNodeControl
    tokens: PostgresTokens
    node_pages: PostgresNodePages
    requests: PostgresNodeRequests
    previews: PostgresPreviews
    measures: PostgresMetrics
    changes: PostgresChanges
    hub: Hub
    callers: Callers
    fleets: Fleets
    answers: ResponseCache
    runs: ExecutionService
    packs: PostgresPacks
    events: PostgresEventLog
    logins: Throttle = field(default_factory=lambda: Throttle(burst=10, per_second=0.2))
    refusals: Throttle = field(default_factory=lambda: Throttle(burst=100, per_second=2.0))

    def forget(self) -> None:
        """Look at the nodes anew: whoever has just changed one here need not wait for the database to tell of it."""
        self.fleets.forget()
        self.answers.forget()


def services_on(pool: Pool, url: str, settings: Settings) -> Services:
    """Everything on *pool*."""
    tokens, nodes, changes = PostgresTokens(pool), PostgresNodes(pool), PostgresChanges(pool)
    hub = Hub(url, changes)
    return Services(
        pool=pool,
        url=url,
        settings=settings,
        runtimes=PostgresRuntimes(pool),
        nodes=nodes,
        life=PostgresNodeControl(pool),
        tokens=tokens,
        node_pages=PostgresNodePages(pool),
        requests=PostgresNodeRequests(pool),
        previews=PostgresPreviews(pool),
        measures=PostgresMetrics(pool),
        changes=changes,
        hub=hub,
        callers=Callers(tokens, hub),
        fleets=Fleets(nodes, hub),
        answers=ResponseCache(hub),
        runs=execution_service(pool, nodes),
        packs=PostgresPacks(pool),
        events=PostgresEventLog(pool, recorder()),
    )


def services_of(request: Request) -> Services:
    """The services of the app that got *request*."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


async def _services(request: Request) -> Services:
    # A dependency that is not async would be called in another thread, which costs more than all else here.
    return services_of(request)


Given = Annotated[Services, Depends(_services)]
