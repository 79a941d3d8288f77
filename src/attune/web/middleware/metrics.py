"""Figures in Prometheus' words: of the fleet, from the database, and of the requests that this process answered."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attune.core.ports.read_models import PROBE_BUCKETS, FleetMetrics

_log = structlog.get_logger("attune")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestFigures:
    """What this process counts of the requests it answers."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "attune_http_requests",
            "Requests by what they came to.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "attune_http_request_seconds",
            "How long requests took, streams aside.",
            ["route"],
            buckets=_REQUEST_BUCKETS,
            registry=self._registry,
        )
        self.streams = Gauge("attune_http_streams", "Streams of changes that are open.", registry=self._registry)

    async def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request. What leads nowhere has one route, so that nobody can make up new ones."""
        route = getattr(scope.get("route"), "path", "none")
        if route != "none" and scope["path"].startswith("/api/") and not route.startswith("/api/"):
            route = f"/api{route}"  # FastAPI names a route without the prefix of its router
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        caller = scope.get("state", {}).get("caller")
        facts = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
        tell = _log.info if route.startswith("/api/") else _log.debug
        tell("request", **facts, who=caller.name if caller else None)
        if not route.endswith("/stream"):
            self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class ObservedApp:
    """Wraps the app: *seen* is told of each request, of its status and of the seconds until its answer was whole.

    The status is 500 where there was no answer. Plain ASGI, for it is always there.
    """

    def __init__(self, app: ASGIApp, seen: Callable[[Scope, int, float], Awaitable[None]]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, observed)
        finally:
            await self._seen(scope, status, time.perf_counter() - began)


def fleet_text(measures: FleetMetrics) -> bytes:
    """*measures* as Prometheus reads them."""
    return generate_latest(_FleetCollector(measures))


class _FleetCollector(Collector):
    def __init__(self, measures: FleetMetrics) -> None:
        self._measures = measures

    def collect(self) -> Iterator[Metric]:
        measures = self._measures
        yield _counts(GaugeMetricFamily, "attune_workers", "Nodes by role and status.", "role status", measures.workers)
        text = "Live nodes by what they found of each runtime; version `other` for the rarest."
        yield _counts(GaugeMetricFamily, "attune_worker_runtimes", text, "runtime status version", measures.runtimes)
        text = "How long the latest check of a runtime took on each live node."
        probes = HistogramMetricFamily("attune_probe_seconds", text, labels=["runtime"])
        for probe in measures.probes:
            buckets = [(str(bound), float(count)) for bound, count in zip(PROBE_BUCKETS, probe.counts, strict=True)]
            probes.add_metric([probe.name], [*buckets, ("+Inf", float(probe.total))], probe.seconds)
        yield probes
        text = "Changes of what nodes offer, by what it became."
        yield _counts(CounterMetricFamily, "attune_transitions", text, "runtime status", measures.transitions)
        text = "Executions that have not ended, by what they need; requirement `other` for the rarest."
        yield _counts(GaugeMetricFamily, "attune_executions", text, "requirement status", measures.executions)
        text = "Executions that wait for a worker, of which there is none that could take them."
        yield GaugeMetricFamily("attune_executions_without_worker", text, value=measures.without_worker)
        text = "What the database refused and was set aside, by kind."
        yield _counts(GaugeMetricFamily, "attune_dead_letters", text, "kind", measures.dead_letters)
        text = "Live nodes that cannot store something at present; it waits there."
        yield GaugeMetricFamily("attune_nodes_refused", text, value=measures.refusing_nodes)
        text = "Events whose rules wait for a process of the operator."
        yield GaugeMetricFamily("attune_pending_events", text, value=measures.pending_events)
        text = "Rules that are paused by their circuit breakers."
        yield GaugeMetricFamily("attune_paused_rules", text, value=measures.paused_rules)
        text = "Live nodes that lately lost a runtime, and those that only keep their last good verdict on it."
        yield _counts(GaugeMetricFamily, "attune_runtime_losses", text, "role runtime state", measures.losses)
        text = "Rows that had ended and were kept long enough, by kind."
        yield _counts(CounterMetricFamily, "attune_retention_removed", text, "kind", measures.removed)


def _counts(
    kind: type[GaugeMetricFamily | CounterMetricFamily], name: str, text: str, labels: str, counts: Mapping[Any, int]
) -> Metric:
    family = kind(name, text, labels=labels.split())
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family
