"""`NodeRegistry.record_health`: one suite for memory and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement
from attune.core.nodes.health import CheckedVerdict, Transition
from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import HealthReport, Registration
from attune.core.runtimes.verdict import Evidence, Instance, Status, Verdict

pytestmark = pytest.mark.anyio

EVIDENCE = Evidence(("python3", "--version"), 1, "no\0thing")
PYTHON = Verdict(
    "core.python", "python", Status.AVAILABLE, "verified", instances=(Instance("3.11.7", "/bin/py", "/bin/py"),)
)
RUBY = Verdict("acme.ruby", "ruby", Status.UNAVAILABLE, "ruby: not found on PATH")
LOST = replace(PYTHON, status=Status.UNAVAILABLE, reason="expected exit code 0, got 1", instances=(), evidence=EVIDENCE)
CAPABILITIES = {"runtimes": ["python"], "runtime_versions": {"python": ["3.11.7"]}}


def change(at: float, back: bool = False) -> Transition:
    statuses = (Status.AVAILABLE, Status.UNAVAILABLE)
    before, after = statuses[::-1] if back else statuses
    return Transition("core.python", "python", before, after, "because", EVIDENCE, at)


def offer(capabilities: dict[str, Any], *verdicts: Verdict) -> Registration:
    return Registration("w1", WORKER, "host-1", 7, capabilities, verdicts, {"zone": "eu"})


@pytest.fixture
async def node(node_registry: Any) -> int:
    await node_registry.claim("w1", WORKER, host="host-1", pid=7)
    return int(await node_registry.register(offer(CAPABILITIES, PYTHON, RUBY)))


async def runtimes(registry: Any, node_id: int) -> dict[str, Any]:
    return {one.ref: one for one in await registry.node_runtimes(node_id)}


async def generation(registry: Any) -> int:
    (record,) = await registry.list_nodes(WORKER)
    return int(record.generation)


async def test_the_generation_grows_only_when_the_capabilities_change(node_registry: Any, node: int) -> None:
    seen = [await generation(node_registry)]
    for capabilities in (dict(CAPABILITIES), {"runtimes": []}, {"runtimes": []}, None, CAPABILITIES):
        now = None if capabilities is None else offer(capabilities)
        assert await node_registry.record_health(node, HealthReport(0.0, offer=now))
        seen.append(await generation(node_registry))
    await node_registry.heartbeat(node)
    await node_registry.register(offer({"runtimes": ["node"]}))
    seen.append(await generation(node_registry))

    assert [one - seen[0] for one in seen] == [0, 0, 1, 1, 1, 2, 3]


async def test_a_withdrawn_runtime_is_written_with_its_reason(node_registry: Any, node: int) -> None:
    before = await runtimes(node_registry, node)
    report = HealthReport(50.0, [CheckedVerdict(LOST, 50.0, 2)], [change(50.0)], offer({"runtimes": []}, LOST, RUBY))
    assert await node_registry.record_health(node, report)
    after = await runtimes(node_registry, node)

    python = after["core.python"]
    assert (python.status, python.version, python.failures) == ("unavailable", None, 2)
    assert python.reason == "expected exit code 0, got 1"
    assert python.since > before["core.python"].since
    assert after["acme.ruby"] == before["acme.ruby"]
    (record,) = await node_registry.list_nodes(WORKER)
    assert record.capabilities == {"runtimes": [], "labels": {"zone": "eu"}}


async def test_the_matcher_sees_what_health_checks_found(node_registry: Any, node: int) -> None:
    wanted = Requirement.parse("python >=3")
    assert match(wanted, await node_registry.fleet(WORKER)).best is not None
    report = HealthReport(50.0, [CheckedVerdict(LOST, 50.0, 2)], [change(50.0)], offer({"runtimes": []}, LOST, RUBY))
    await node_registry.record_health(node, report)

    (seen,) = await node_registry.fleet(WORKER)
    assert (seen.capabilities["python"].status, seen.capabilities["python"].reason) == (LOST.status, LOST.reason)
    assert seen.labels == {"zone": "eu"}
    assert match(wanted, [seen]).best is None


async def test_since_stays_while_the_status_does(node_registry: Any, node: int) -> None:
    before = (await runtimes(node_registry, node))["core.python"]
    newer = replace(PYTHON, instances=(Instance("3.12.1", "/bin/py", "/bin/py"),))
    await node_registry.record_health(node, HealthReport(9.0, [CheckedVerdict(newer, 9.0)]))
    after = (await runtimes(node_registry, node))["core.python"]

    assert (after.since, after.version) == (before.since, "3.12.1")
    assert after.checked_at > before.checked_at


async def test_times_are_when_it_happened_even_if_it_is_told_later(node_registry: Any, node: int) -> None:
    report = HealthReport(1000.0, [CheckedVerdict(LOST, 940.0, 3)], [change(700.0), change(760.0, True), change(880.0)])
    await node_registry.record_health(node, report)
    python = (await runtimes(node_registry, node))["core.python"]
    ages = [(datetime.now(UTC) - one.at).total_seconds() for one in await node_registry.node_transitions(node)]

    assert (datetime.now(UTC) - python.checked_at).total_seconds() == pytest.approx(60, abs=30)
    assert (python.checked_at - python.since).total_seconds() == pytest.approx(60, abs=1)
    assert ages == [pytest.approx(age, abs=30) for age in (120, 240, 300)]


async def test_transitions_are_listed_newest_first(node_registry: Any, node: int) -> None:
    await node_registry.record_health(node, HealthReport(10.0, transitions=[change(1.0), change(2.0, True)]))
    await node_registry.record_health(node, HealthReport(20.0, transitions=[change(20.0)]))

    listed = await node_registry.node_transitions(node)
    assert [(one.from_status, one.to_status) for one in listed] == [
        ("available", "unavailable"),
        ("unavailable", "available"),
        ("available", "unavailable"),
    ]
    assert {(one.runtime_ref, one.name, one.reason) for one in listed} == {("core.python", "python", "because")}
    assert listed[0].evidence["command"] == ["python3", "--version"]
    assert [one.id for one in await node_registry.node_transitions(node, 1)] == [listed[0].id]


async def test_a_node_without_a_row_is_told_and_nothing_is_written(node_registry: Any, node: int) -> None:
    report = HealthReport(1.0, [CheckedVerdict(LOST, 1.0)], [change(1.0)], offer({"runtimes": []}))

    assert await node_registry.record_health(node + 999, report) is False
    assert await node_registry.node_transitions(node + 999) == []
    assert (await runtimes(node_registry, node))["core.python"].status == "available"


async def test_registering_again_keeps_the_transitions(node_registry: Any, node: int) -> None:
    await node_registry.record_health(node, HealthReport(1.0, transitions=[change(1.0)]))
    await node_registry.register(offer(CAPABILITIES, PYTHON, RUBY))

    assert len(await node_registry.node_transitions(node)) == 1


async def test_what_a_node_that_registers_again_gained_and_lost_is_told(node_registry: Any, node: int) -> None:
    assert await node_registry.node_transitions(node) == []
    found = replace(RUBY, status=Status.AVAILABLE, reason="verified")
    java = replace(found, ref="acme.java", capability="java")
    await node_registry.register(offer(CAPABILITIES, found, java, replace(RUBY, ref="acme.go", capability="go")))

    told = {one.runtime_ref: one for one in await node_registry.node_transitions(node)}
    assert {ref: (one.name, one.from_status, one.to_status, one.reason) for ref, one in told.items()} == {
        "acme.ruby": ("ruby", "unavailable", "available", "verified"),
        "acme.java": ("java", "unknown", "available", "verified"),
        "core.python": ("python", "available", "unavailable", "its definition was removed"),
    }
