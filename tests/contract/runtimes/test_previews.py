"""`PreviewReader`: one suite for memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from attune.core.nodes.role import SENSOR, WORKER, Role
from attune.core.ports.nodes import Registration
from attune.core.runtimes.preview import AffectedWork
from attune.core.runtimes.verdict import Instance, Status, Verdict
from attune.postgres.connection import open_pool
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.runtimes.previews import PostgresPreviews
from attune.testing import MemoryFleet, MemoryNodes, MemoryPreviews

pytestmark = pytest.mark.anyio

ROLES = ("worker", "sensor")


@dataclass
class Previewed:
    """Nodes, and what previews read of them; `mixed` is what uses `core.python` once `use_python` was called."""

    previews: Any
    registry: Any
    use: Any

    async def node(self, name: str, version: str | None, role: Role = WORKER) -> int:
        status = Status.AVAILABLE if version else Status.UNAVAILABLE
        instances = (Instance(version, "/usr/bin/ruby", "/usr/bin/ruby"),) if version else ()
        verdict = Verdict("acme.ruby", "ruby", status, "it was looked at", "Ruby", instances)
        capabilities = {"runtimes": ["ruby"] if version else []}
        return int(await self.registry.register(Registration(name, role, "host", 7, capabilities, (verdict,))))


@pytest.fixture(params=["memory", "postgres"])
async def previewed(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Previewed]:
    if request.param == "memory":
        fleet = MemoryFleet()
        previews = MemoryPreviews(fleet)

        async def use_in_memory() -> None:
            previews.work["core.python"] = AffectedWork(["acme.it"], [], {"requested": 2})

        yield Previewed(previews, MemoryNodes(fleet), use_in_memory)
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:

        async def use() -> None:
            async with pool.connection() as connection:
                await connection.execute(
                    "INSERT INTO action (ref, label, description, entrypoint, runtime, pack, pack_ref)"
                    " SELECT 'acme.it', 'it', '', 'it.py', r.id, p.id, p.ref FROM runtime AS r, pack AS p"
                    " WHERE r.ref = 'core.python' AND p.ref = 'core'"
                )
                for status in ("requested", "requested", "completed"):
                    await connection.execute(
                        "INSERT INTO execution (action, action_ref, status)"
                        " SELECT id, ref, %s::execution_status_enum FROM action WHERE ref = 'acme.it'",
                        (status,),
                    )

        yield Previewed(PostgresPreviews(pool), PostgresNodes(pool), use)


def names(candidates: Sequence[Any]) -> list[str]:
    return [candidate.name for candidate in candidates]


async def test_live_nodes_of_the_roles_are_counted_and_told_by_name(previewed: Previewed) -> None:
    await previewed.node("w2", "3.1")
    first = await previewed.node("w1", None)
    await previewed.node("s1", "3.1", SENSOR)
    gone = await previewed.node("w0", "3.1")
    await previewed.registry.leave(gone)

    assert (await previewed.previews.live(ROLES), await previewed.previews.live(("worker",))) == (3, 2)
    candidates = await previewed.previews.candidates("acme.ruby", ("worker",), 10)
    assert [(node.id, node.name, node.answers, node.status, node.version) for node in candidates] == [
        (first, "w1", True, Status.UNAVAILABLE, None),
        (candidates[1].id, "w2", True, Status.AVAILABLE, "3.1"),
    ]
    [unknown, _] = await previewed.previews.candidates("acme.other", ("worker",), 10)
    assert (unknown.status, unknown.version) == (None, None)


async def test_of_too_many_some_of_each_state_are_chosen(previewed: Previewed) -> None:
    for number in range(4):
        await previewed.node(f"a{number}", "3.1")
    await previewed.node("b", "3.2")
    await previewed.node("c", None)

    assert names(await previewed.previews.candidates("acme.ruby", ROLES, 4)) == ["a0", "a1", "b", "c"]


async def test_named_nodes_are_told_whatever_their_state(previewed: Previewed) -> None:
    ids = [await previewed.node(name, "3.1") for name in ("w2", "w1", "w3")]
    await previewed.registry.leave(ids[0])

    found = await previewed.previews.named("acme.ruby", [ids[0], ids[1], 999])

    assert [(node.name, node.answers) for node in found] == [("w1", True), ("w2", False)]


async def test_a_node_is_found_by_id_or_name_a_worker_rather_than_a_sensor(previewed: Previewed) -> None:
    sensor = await previewed.node("both", "3.1", SENSOR)
    worker = await previewed.node("both", "3.1")

    assert (await previewed.previews.find("both")).id == worker
    assert (await previewed.previews.find(sensor)).role == "sensor"
    assert await previewed.previews.find("nobody") is None


async def test_what_uses_a_runtime_is_told(previewed: Previewed) -> None:
    await previewed.use()

    touched = await previewed.previews.touched("core.python")

    assert ("acme.it" in touched.actions, dict(touched.executions)) == (True, {"requested": 2})
    assert (await previewed.previews.touched("acme.none")) == AffectedWork([], [], {})
