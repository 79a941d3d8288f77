"""One suite for every node registry: in memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from attune.core.errors import NameTakenError
from attune.core.node import SENSOR, WORKER
from attune.core.ports import Registration
from attune.core.verdict import Evidence, Instance, Status, Verdict

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


def registration(*verdicts: Verdict, name: str = "w1") -> Registration:
    return Registration(name, WORKER, "host-1", 7, {"runtimes": ["python"]}, verdicts or (PYTHON, RUBY))


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
    assert await node_registry.holds_name() is False
    other = another_registry()
    await other.claim("w1", WORKER, host="host-2", pid=8)
    assert await other.register(registration()) == node_id
    await other.leave()


async def test_a_heartbeat_says_whether_the_node_still_has_its_row(node_registry: Any) -> None:
    node_id = await joined(node_registry)

    assert await node_registry.heartbeat(node_id) is True
    assert await node_registry.heartbeat(node_id + 999) is False
