"""`NodeReader` and `NodeRegistry`: one suite for memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from attune.core.errors import NameTakenError, SupersededError
from attune.core.nodes.role import SENSOR, WORKER
from attune.core.ports.nodes import HealthReport, Heartbeat, NodeInstance, Registration
from attune.core.runtimes.verdict import Evidence, Instance, Status, Verdict

pytestmark = pytest.mark.anyio

PYTHON = Verdict(
    ref="core.python",
    capability="python",
    name="Python",
    status=Status.AVAILABLE,
    reason="verified by `python3 --version`",
    instances=(Instance("3.11.7", "/usr/bin/python3", "/usr/bin/python3.11"),),
    evidence=Evidence(("python3", "--version"), 0, "Python 3.11.7"),
)
RUBY = Verdict("acme.ruby", "ruby", Status.UNAVAILABLE, "ruby: not found on PATH")


def registration(*verdicts: Verdict, name: str = "w1", **keys: Any) -> Registration:
    return Registration(name, WORKER, "host-1", 7, {"runtimes": ["python"]}, verdicts or (PYTHON, RUBY), **keys)


async def joined(registry: Any, **keys: Any) -> int:
    await registry.claim("w1", WORKER, host="host-1", pid=7)
    return int(await registry.register(registration(**keys)))


async def test_a_registered_node_is_listed_active_with_what_it_said(node_registry: Any) -> None:
    node_id = await joined(node_registry)

    (node,) = await node_registry.list_nodes(WORKER)
    assert (node.id, node.name, node.role, node.host, node.status, node.pid) == (
        node_id,
        "w1",
        "worker",
        "host-1",
        "active",
        7,
    )
    assert node.capabilities == {"runtimes": ["python"]}
    assert node.heartbeat_age is not None and node.heartbeat_age < 60


async def test_every_verdict_is_kept_by_ref(node_registry: Any) -> None:
    node_id = await joined(node_registry)

    ruby, python = await node_registry.node_runtimes(node_id)
    assert (ruby.ref, ruby.status, ruby.reason, ruby.version, ruby.failures) == (
        "acme.ruby",
        "unavailable",
        "ruby: not found on PATH",
        None,
        1,
    )
    assert (python.name, python.version, python.path, python.failures) == ("python", "3.11.7", "/usr/bin/python3", 0)
    assert python.instances == [{"version": "3.11.7", "path": "/usr/bin/python3", "real_path": "/usr/bin/python3.11"}]


async def test_registering_again_keeps_the_id_and_since_where_the_status_is_the_same(node_registry: Any) -> None:
    first = await joined(node_registry)
    before = {one.ref: one for one in await node_registry.node_runtimes(first)}
    again = await node_registry.register(
        registration(PYTHON, replace(RUBY, status=Status.AVAILABLE, reason="verified"))
    )
    after = {one.ref: one for one in await node_registry.node_runtimes(first)}

    assert again == first
    assert after["core.python"].since == before["core.python"].since
    assert after["acme.ruby"].since > before["acme.ruby"].since
    assert after["acme.ruby"].failures == 0


async def test_a_definition_that_is_gone_leaves_the_node_too(node_registry: Any) -> None:
    node_id = await joined(node_registry)
    await node_registry.register(registration(PYTHON))

    assert [one.ref for one in await node_registry.node_runtimes(node_id)] == ["core.python"]


async def test_a_held_name_is_refused_with_its_holder(node_registry: Any, another_registry: Callable[[], Any]) -> None:
    await joined(node_registry)

    with pytest.raises(NameTakenError, match=r"the worker name 'w1' is held by pid 7 on host-1"):
        await another_registry().claim("w1", WORKER, host="host-2", pid=8)


async def test_a_newer_start_of_the_same_instance_takes_the_name_over(
    node_registry: Any, another_registry: Callable[[], Any]
) -> None:
    mine = NodeInstance("key-of-a-folder", "boot-1")
    assert await node_registry.claim("w1", WORKER, host="host-1", pid=7, instance=mine) is None
    node_id = await node_registry.register(registration())
    newer = another_registry()
    for other in (NodeInstance(), NodeInstance("another key", "boot-1")):
        with pytest.raises(NameTakenError, match="is held by pid 7 on host-1"):
            await newer.claim("w1", WORKER, host="host-2", pid=8, instance=other)
    before = await newer.claim("w1", WORKER, host="host-1", pid=8, instance=mine)

    assert before.same_boot and 0 <= before.age < 60
    assert newer.epoch == node_registry.epoch + 1
    assert await newer.register(registration()) == node_id
    for write in (node_registry.heartbeat(node_id), node_registry.register(registration())):
        with pytest.raises(SupersededError, match=r"superseded: .* taken over by pid (8|7) on host-1"):
            await write
    await node_registry.degrade(node_id, "no space left")
    assert await node_registry.record_health(node_id, HealthReport(0.0)) is False
    await node_registry.leave(node_id)
    assert [node.status for node in await newer.list_nodes()] == ["active"]
    assert await newer.heartbeat(node_id) == Heartbeat("active", 0)
    await newer.leave()


async def test_a_sensor_may_have_the_name_of_a_worker(node_registry: Any, another_registry: Callable[[], Any]) -> None:
    await joined(node_registry)
    other = another_registry()
    await other.claim("w1", SENSOR, host="host-1", pid=8)
    await other.register(replace(registration(), role=SENSOR))

    assert [(one.name, one.role) for one in await other.list_nodes()] == [("w1", "worker"), ("w1", "sensor")]
    await other.leave()


async def test_after_leaving_the_name_is_free_and_the_node_inactive(
    node_registry: Any, another_registry: Callable[[], Any]
) -> None:
    node_id = await joined(node_registry)
    await node_registry.leave(node_id)

    assert [one.status for one in await node_registry.list_nodes()] == ["inactive"]
    assert node_registry.epoch is None
    other = another_registry()
    await other.claim("w1", WORKER, host="host-2", pid=8)
    assert await other.register(registration()) == node_id
    await other.leave()


async def test_a_heartbeat_says_whether_the_node_still_has_its_row(node_registry: Any) -> None:
    node_id = await joined(node_registry)

    assert await node_registry.heartbeat(node_id) == Heartbeat("active", 0)
    assert await node_registry.heartbeat(node_id + 999) is None


async def test_labels_and_taints_are_kept_among_the_capabilities(node_registry: Any) -> None:
    await joined(node_registry, labels={"Zone": " eu ", "arch": "amd64"}, taints=["spot", "gpu-only", "spot"])

    (node,) = await node_registry.list_nodes(WORKER)
    assert node.capabilities == {
        "runtimes": ["python"],
        "labels": {"zone": "eu", "arch": "x86_64"},
        "taints": ["gpu-only", "spot"],
    }


async def test_the_fleet_is_what_its_nodes_registered_as_the_matcher_sees_it(
    node_registry: Any, another_registry: Callable[[], Any]
) -> None:
    first = await joined(node_registry, labels={"zone": "eu"}, taints=["spot"])
    other = another_registry()
    limited = replace(registration(RUBY, name="w2"), capabilities={"max_concurrent_executions": 4})
    await other.claim("w2", WORKER, host="host-2", pid=8)
    second = await other.register(limited)
    await other.leave(second)
    sensor = another_registry()
    await sensor.claim("s1", SENSOR, host="host-2", pid=9)
    await sensor.register(replace(registration(name="s1"), role=SENSOR))
    fleet = await node_registry.fleet(WORKER)
    (sensor_node,) = await node_registry.fleet(SENSOR)
    await sensor.leave()

    w1, w2 = fleet
    assert (w1.id, w1.name, w1.role, w1.status, w1.running, w1.max_concurrent) == (
        first,
        "w1",
        "worker",
        "active",
        0,
        None,
    )
    assert (w1.labels, w1.taints) == ({"zone": "eu"}, frozenset({"spot"}))
    assert (w2.id, w2.status, w2.max_concurrent, w2.labels, w2.taints) == (second, "inactive", 4, {}, frozenset())
    python, ruby = w1.capabilities["python"], w1.capabilities["ruby"]
    assert [(one.version, one.path) for one in python.instances] == [("3.11.7", "/usr/bin/python3")]
    assert (python.status, python.reason, python.evidence) == (
        Status.AVAILABLE,
        "verified by `python3 --version`",
        "python3 --version",
    )
    assert (ruby.status, ruby.reason, ruby.instances) == (Status.UNAVAILABLE, "ruby: not found on PATH", ())
    assert (sensor_node.name, sensor_node.role) == ("s1", "sensor")


async def test_definitions_of_one_runtime_are_one_capability_of_the_fleet(node_registry: Any) -> None:
    second = replace(PYTHON, ref="acme.python", instances=(Instance("3.12.4", "/opt/p", "/opt/p"),))
    await joined(node_registry)
    await node_registry.register(registration(second, PYTHON))

    (node,) = await node_registry.fleet(WORKER)
    assert {one.version for one in node.capabilities["python"].instances} == {"3.11.7", "3.12.4"}


async def test_a_check_that_could_not_decide_keeps_what_was_found_before(node_registry: Any) -> None:
    node_id = await joined(node_registry)
    undecided = replace(PYTHON, status=Status.UNKNOWN, reason="timed out after 10 s", instances=())
    await node_registry.register(registration(undecided))

    (python,) = await node_registry.node_runtimes(node_id)
    assert (python.status, python.version, python.path) == ("unknown", "3.11.7", "/usr/bin/python3")
    await node_registry.register(registration(replace(undecided, status=Status.UNAVAILABLE)))
    (python,) = await node_registry.node_runtimes(node_id)
    assert (python.status, python.version) == ("unavailable", None)
