"""`FleetLosses`: one suite for memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from attune.core.nodes.health import CheckedVerdict, Transition
from attune.core.nodes.role import SENSOR, WORKER, Role
from attune.core.ports.nodes import FleetLosses, HealthReport, Registration
from attune.core.runtimes.verdict import Instance, Status, Verdict
from attune.postgres.connection import open_pool
from attune.postgres.nodes.fleet_losses import PostgresFleetLosses
from attune.postgres.nodes.registry import PostgresNodes
from attune.testing import MemoryFleet, MemoryFleetLosses, MemoryNodes

pytestmark = pytest.mark.anyio

PYTHON = Verdict("core.python", "python", Status.AVAILABLE, "verified", instances=(Instance("3.11", "/py", "/py"),))
LOST = replace(PYTHON, status=Status.UNAVAILABLE, reason="python9: not found on PATH", instances=())
KEPT = replace(PYTHON, kept="kept by the fleet guard")
NEVER = Verdict("acme.ruby", "ruby", Status.UNAVAILABLE, "ruby: not found on PATH")


@dataclass
class Fleet:
    losses: FleetLosses
    registry: Callable[[], Any]
    later: Callable[[float], Awaitable[None]]

    async def node(self, number: int, *verdicts: Verdict, role: Role = WORKER) -> int:
        offer = Registration(f"n{number}", role, "host", number, {}, verdicts)
        return int(await self.registry().register(offer))

    async def nodes(self, number: int) -> list[int]:
        return [await self.node(one, PYTHON, NEVER) for one in range(number)]

    async def figures(self) -> list[tuple[str, str, int, int, int, int]]:
        found = await self.losses.list_losses()
        return [(one.role, one.ref, one.live, one.nodes, one.losing, one.kept) for one in found]


@pytest.fixture(params=["memory", "postgres"])
async def fleet(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Fleet]:
    if request.param == "memory":
        nodes = MemoryFleet()

        async def pass_time(seconds: float) -> None:
            for node in nodes.nodes.values():
                node.lost = {ref: at - timedelta(seconds=seconds) for ref, at in node.lost.items()}

        yield Fleet(MemoryFleetLosses(nodes), lambda: MemoryNodes(nodes), pass_time)
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:

        async def age(seconds: float) -> None:
            async with pool.connection() as connection:
                query = "UPDATE worker_runtime SET lost_at = lost_at - %s * interval '1 second'"
                await connection.execute(query, (seconds,))

        yield Fleet(PostgresFleetLosses(pool), lambda: PostgresNodes(pool), age)


async def test_who_notes_a_loss_sees_those_of_all_others_of_its_role(fleet: Fleet) -> None:
    workers = await fleet.nodes(5)
    sensor = await fleet.node(9, PYTHON, role=SENSOR)
    seen = []
    for node in (*workers[:3], sensor):
        (loss,) = await fleet.losses.note_losing(node, ["core.python"])
        seen.append((loss.role, loss.name, loss.live, loss.nodes, loss.losing, loss.exceeds(0.3)))

    assert seen == [
        ("worker", "python", 5, 5, 1, False),
        ("worker", "python", 5, 5, 2, True),
        ("worker", "python", 5, 5, 3, True),
        ("sensor", "python", 1, 1, 1, False),
    ]


async def test_what_is_lost_by_a_start_a_reload_or_a_check_counts_for_ten_minutes(fleet: Fleet) -> None:
    workers = await fleet.nodes(6)
    await fleet.node(0, LOST, NEVER)
    change = Transition("core.python", "python", Status.AVAILABLE, Status.UNAVAILABLE, "because", None, 5.0)
    await fleet.registry().record_health(workers[1], HealthReport(5.0, [CheckedVerdict(LOST, 5.0, 2)], [change]))
    before = await fleet.figures()
    await fleet.later(660)

    assert before == [("worker", "core.python", 6, 6, 2, 0)]
    assert await fleet.figures() == []
    (loss,) = await fleet.losses.note_losing(workers[2], ["core.python"])
    assert (loss.nodes, loss.losing) == (4, 1)


async def test_what_is_kept_counts_until_a_check_passes(fleet: Fleet) -> None:
    workers = await fleet.nodes(5)
    for number in (0, 1, 2):
        await fleet.losses.note_losing(workers[number], ["core.python"])
        await fleet.node(number, KEPT, NEVER)
    await fleet.later(3600)
    before = await fleet.figures()
    await fleet.registry().record_health(workers[0], HealthReport(1.0, [CheckedVerdict(KEPT, 1.0)]))
    meanwhile = await fleet.figures()
    await fleet.registry().record_health(workers[0], HealthReport(1.0, [CheckedVerdict(PYTHON, 1.0)]))
    await fleet.node(1, PYTHON, NEVER)

    assert before == meanwhile == [("worker", "core.python", 5, 5, 3, 3)]
    assert await fleet.figures() == [("worker", "core.python", 5, 5, 1, 1)]


async def test_nodes_that_are_gone_and_runtimes_that_were_never_there_do_not_count(fleet: Fleet) -> None:
    workers = await fleet.nodes(5)
    await fleet.losses.note_losing(workers[0], ["core.python", "acme.ruby"])
    await fleet.registry().leave(workers[0])
    (loss, never) = sorted(
        await fleet.losses.note_losing(workers[1], ["core.python", "acme.ruby"]), key=lambda one: -one.nodes
    )

    assert (loss.live, loss.nodes, loss.losing) == (4, 4, 1)
    assert not loss.exceeds(0.0)
    assert (never.ref, never.nodes, never.losing) == ("acme.ruby", 0, 0)
