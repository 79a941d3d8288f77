"""What Prometheus scrapes says what is in the database, and what this process answered."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from attune.core.access.tokens import Scope
from attune.core.nodes.health import Transition
from attune.core.nodes.role import SENSOR
from attune.core.ports.nodes import HealthReport
from attune.core.runtimes.verdict import Status
from attune.postgres.read_models import metrics as measures
from registered_nodes import register, verdict
from web_client import Api, with_api

FleetFigures = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(api: Api) -> FleetFigures:
    answer = await api.http.get("/metrics", headers=api.as_(Scope.READ))
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(figures: FleetFigures, name: str, **labels: str) -> float | None:
    return figures.get((name, frozenset(labels.items())))


def test_the_fleet_is_told_by_status_runtime_and_version(
    migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(measures, "_SHARE", 0)

    async def check(api: Api) -> None:
        pool = api.pool
        await register(pool, "a", verdict("python", "3.11.7"), verdict('no"de\\\n', "20.1.0"))
        node = await register(pool, "b", verdict("python", "3.9.2"), verdict("ruby", status=Status.UNAVAILABLE))
        await api.services.nodes.leave(await register(pool, "gone", verdict("python", "3.9.2")))
        await register(pool, "s", role=SENSOR)
        figures = await scraped(api)

        assert of(figures, "attune_workers", role="worker", status="active") == 2
        assert of(figures, "attune_workers", role="worker", status="inactive") == 1
        assert of(figures, "attune_workers", role="sensor", status="active") == 1
        assert of(figures, "attune_worker_runtimes", runtime="python", status="available", version="3.9.2") == 1
        assert of(figures, "attune_worker_runtimes", runtime="ruby", status="unavailable", version="") == 1
        assert of(figures, "attune_worker_runtimes", runtime='no"de\\\n', status="available", version="20.1.0") == 1
        assert of(figures, "attune_probe_seconds_count", runtime="python") == 2
        assert of(figures, "attune_probe_seconds_bucket", runtime="python", le="0.005") == 2
        assert of(figures, "attune_probe_seconds_sum", runtime="python") == pytest.approx(0.007)

        gone = Transition("core.python", "python", Status.AVAILABLE, Status.UNAVAILABLE, "gone", None, 1.0)
        for number in (1, 2, 3):
            await api.services.nodes.record_health(node, HealthReport(2.0, transitions=[gone]))
            if number == 2:  # what is old is counted once and for all
                async with pool.connection() as connection:
                    await connection.execute("UPDATE runtime_transition SET at = at - interval '5 minutes'")
            told = of(await scraped(api), "attune_transitions_total", runtime="python", status="unavailable")
            assert told == number

    with_api(migrated_database, check)


def test_rare_versions_are_counted_together(migrated_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_VERSIONS", 2)

    async def check(api: Api) -> None:
        for number in range(6):
            await register(api.pool, f"w{number}", verdict("python", f"3.{min(number, 4)}.0"))
        figures = await scraped(api)
        versions = {
            dict(labels)["version"]: value
            for (name, labels), value in figures.items()
            if name == "attune_worker_runtimes"
        }

        assert versions == {"3.4.0": 2, "3.0.0": 1, "other": 3}

    with_api(migrated_database, check)


def test_requests_are_counted_by_route_and_no_path_makes_a_new_one(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        worker = await register(api.pool, "w1")
        for path in (f"/api/workers/{worker}", "/api/workers/999", "/made/up", "/also/made/up"):
            await api.http.get(path, headers=api.as_(Scope.READ))
        await api.http.request("BREW", "/api/workers")
        figures = await scraped(api)
        counted = {
            tuple(dict(labels)[one] for one in ("method", "route", "status")): value
            for (name, labels), value in figures.items()
            if name == "attune_http_requests_total"
        }

        assert counted.get(("GET", "/api/workers/{node_id}", "200")) == 1, counted
        assert counted[("GET", "/api/workers/{node_id}", "404")] == 1
        assert counted[("GET", "none", "404")] == 2
        assert not [route for _, route, _ in counted if "made" in route]
        assert [value for (method, _, _), value in counted.items() if method == "other"] == [1]
        assert of(figures, "attune_http_request_seconds_count", route="/api/workers/{node_id}") == 2

    with_api(migrated_database, check)


def test_open_executions_are_told_by_what_they_need_and_those_without_a_worker(
    migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_FRESH_SECONDS", 0.0)

    async def check(api: Api) -> None:
        pool = api.pool
        node = await register(pool, "a", verdict("python", "3.11.7"))
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO requirement_class VALUES ('cap-1', 'python'), ('cap-2', 'ruby')")
            await connection.execute("INSERT INTO worker_class VALUES ('cap-1', %s)", (node,))
            for requirement, queue, status in (
                ("python", "cap-1", "scheduled"),
                ("python", "cap-1", "requested"),
                ("ruby", "cap-2", "requested"),
                ("ruby", "cap-2", "requested"),
                ("ruby", "cap-2", "completed"),
            ):
                await connection.execute(
                    "INSERT INTO execution (action_ref, requirement, queue, status) VALUES ('a.b', %s, %s, %s)",
                    (requirement, queue, status),
                )
        figures = await scraped(api)

        assert of(figures, "attune_executions", requirement="python", status="scheduled") == 1
        assert of(figures, "attune_executions", requirement="ruby", status="requested") == 2
        assert of(figures, "attune_executions", requirement="ruby", status="completed") is None
        assert of(figures, "attune_executions_without_worker") == 2

    with_api(migrated_database, check)
