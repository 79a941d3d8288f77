"""The life of one node on a registry in memory: joining, beating, outages, reloads, draining, stopping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from attune.agent import node as node_module
from attune.agent.control import Control
from attune.agent.detector import HostDetector
from attune.agent.health import monitor as monitor_module
from attune.agent.health.monitor import HealthMonitor
from attune.agent.node import NodeOptions, NodeParts, run_node
from attune.agent.place import NodePlace
from attune.agent.registration import NodeRegistration
from attune.config import Settings
from attune.core.backoff import Backoff, RestartRules
from attune.core.errors import DatabaseError, NameTakenError, SupersededError
from attune.core.nodes.health_schedule import CheckSchedule
from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import Heartbeat, NodeInstance
from attune.core.runtimes.command import Ending, Outcome
from attune.operations.runtimes.examine import Examiner
from attune.operations.runtimes.reverify import Reverifier
from attune.testing import FakeHost, MemoryFleet, MemoryNodeControl, MemoryNodes, MemoryRuntimes, printed
from factories import make_runtime

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Service:
    """A `NodeService` that notes what is asked of it; `finished` lets it finish."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.finished = asyncio.Event()
        self.failure: Exception | None = None
        self.writers = ()

    async def keep(self, stop: asyncio.Event) -> None:
        self.notes.append("keep")
        if self.failure is not None:
            raise self.failure
        await stop.wait()

    async def finish(self) -> None:
        self.notes.append("finish")
        await self.finished.wait()

    async def close(self) -> None:
        self.notes.append("close")


class Registry(MemoryNodes):
    """A registry that is `away` at times."""

    away = False

    async def heartbeat(self, node_id: int, refused: str = "") -> Heartbeat | None:
        if self.away:
            raise DatabaseError("cannot reach the database: it is away")
        return await super().heartbeat(node_id, refused)


class World:
    """A fleet in memory, and one worker that can be run."""

    def __init__(self, **options: Any) -> None:
        self.fleet = MemoryFleet()
        self.registry = Registry(self.fleet)
        self.lifecycle = MemoryNodeControl(self.fleet)
        self.host = FakeHost({"python3": printed("Python 3.11.7")})
        self.service = Service()
        self.service.finished.set()
        self.ready: list[str] = []
        self.healed = 0
        self.problem: str | None = None  # what is wrong with the place
        self.control = Control()
        self.catalog = MemoryRuntimes([make_runtime()])
        examiner = Examiner(self.host, self.host)
        self.registration = NodeRegistration(
            WORKER,
            Settings(),
            registry=self.registry,
            detector=HostDetector(self.catalog, lambda settings: examiner),
            labels=lambda section: {"zone": "eu"},
            name="w1",
        )
        reverifier = Reverifier(examiner, self.host, time.monotonic, schedule=CheckSchedule(1e6, 1e6))
        monitor = HealthMonitor(self.registration, reverifier)
        rules = RestartRules(first=0.02, slowest=0.05)
        self.parts = NodeParts(
            self.registration,
            self.lifecycle,
            monitor,
            NodePlace(self.registration, lambda: self.problem, 0.05, rules, healed=monitor.suspect_all),
            [self.service],
            NodeOptions(**{"interval": 0.05, "heal": self.heal, **options}),
        )

    async def heal(self) -> None:
        self.healed += 1
        if self.healed == 2:
            self.registry.away = False

    def row(self) -> Any:
        return self.fleet.nodes[("worker", "w1")].record

    def versions(self) -> Any:
        return self.row().capabilities["runtime_versions"]["python"]

    async def record(self) -> Any:
        (record,) = await self.registry.list_nodes()
        return record

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        task = asyncio.create_task(run_node(self.parts, self.control, lambda node: self.ready.append(node.name)))
        try:
            await self.until(lambda: self.ready or task.done())
            yield self
        finally:
            self.control.stop.set()
            await task

    async def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + 100
        while not condition():
            assert time.monotonic() < end, "expected the condition to become true"
            await asyncio.sleep(0.01)


async def test_a_node_joins_works_and_leaves() -> None:
    async with World().running() as here:
        joined = await here.record()

    assert (joined.status, joined.capabilities["runtimes"], joined.capabilities["labels"]["zone"]) == (
        "active", ["python"], "eu",
    )  # fmt: skip
    assert (here.ready, here.service.notes) == (["w1"], ["keep", "finish", "close"])
    assert (await here.record()).status == "inactive"
    assert [holder.left for holder in here.fleet.holders.values()] == [True]


async def test_a_name_that_is_taken_ends_the_node_before_it_looks_at_its_host() -> None:
    here = World()
    await MemoryNodes(here.fleet).claim("w1", WORKER, host="elsewhere", pid=7)

    with pytest.raises(NameTakenError, match="pid 7 on elsewhere"):
        await run_node(here.parts, here.control, lambda registration: None)
    assert here.host.ran == []


async def test_a_node_told_to_stop_while_it_joins_gives_its_name_back_and_starts_nothing() -> None:
    here = World()
    here.control.stop.set()
    here.catalog.list_runtimes = asyncio.Event().wait  # type: ignore[assignment,method-assign]
    await run_node(here.parts, here.control, lambda registration: None)

    assert (here.service.notes, [holder.left for holder in here.fleet.holders.values()]) == ([], [True])


async def test_heartbeats_that_fail_are_tried_again_while_the_database_is_healed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node_module, "_RETRY", Backoff(0.01, 0.02))
    async with World().running() as here:
        here.registry.away = True
        await here.until(lambda: here.healed == 2 and not here.registry.away)
        before = here.row().last_heartbeat
        await here.until(lambda: here.row().last_heartbeat != before)

    assert here.healed == 2


async def test_a_node_whose_name_a_newer_start_has_taken_over_ends_and_leaves_the_row_alone() -> None:
    here, mine = World(), NodeInstance("key", "boot")
    here.registration._instance = SimpleNamespace(identity=lambda: mine, is_alone=lambda: True, close=lambda: None)  # type: ignore[assignment]
    with pytest.raises(SupersededError, match="taken over by pid 8 on host"):
        async with here.running():
            newer = MemoryNodes(here.fleet)
            assert await newer.claim("w1", WORKER, host="host", pid=8, instance=mine) is not None
            await here.until(lambda: "close" in here.service.notes)

    assert (await here.record()).status == "active"
    assert await newer.heartbeat(here.row().id) == Heartbeat("active")


async def test_what_an_earlier_process_began_is_left_to_it_until_it_is_gone() -> None:
    here, mine, alone = World(), NodeInstance("key", "boot"), False
    await MemoryNodes(here.fleet).claim("w1", WORKER, host="host", pid=8, instance=mine)
    here.registration._instance = SimpleNamespace(identity=lambda: mine, is_alone=lambda: alone, close=lambda: None)  # type: ignore[assignment]
    async with here.running():
        assert here.registration.has_work_to_itself() is False
        alone = True
        assert here.registration.has_work_to_itself() is True


async def test_a_row_that_is_gone_is_written_again() -> None:
    async with World().running() as here:
        here.fleet.nodes.clear()
        await here.until(lambda: here.fleet.nodes)
        assert (await here.record()).status == "active"


async def test_a_reload_is_obeyed_whoever_asks_for_it() -> None:
    async with World().running() as here:
        for number, ask in enumerate((here.control.reload.set, None), 1):
            here.host.commands["python3"] = printed(f"Python 3.12.{number}")
            if ask is not None:
                ask()
            else:
                await here.lifecycle.reload((await here.record()).id)
            await here.until(lambda: here.versions() == [f"3.12.{number}"])  # noqa: B023 - awaited within the round

    assert not here.control.reload.is_set()


async def test_a_reload_that_is_asked_for_before_the_first_heartbeat_is_obeyed() -> None:
    async with World(interval=60.0).running() as here:
        here.host.commands["python3"] = printed("Python 3.12.1")
        await here.lifecycle.reload((await here.record()).id)
        await here.until(lambda: here.versions() == ["3.12.1"])


async def test_neither_a_reload_nor_a_silent_registry_holds_heartbeats_up() -> None:
    async with World().running() as here:
        listed, going = here.catalog.list_runtimes, asyncio.Event()

        async def slow() -> Any:
            await going.wait()
            return await listed()

        async def silent(node_id: int, problem: str | None) -> None:
            await going.wait()

        here.catalog.list_runtimes = slow  # type: ignore[assignment,method-assign]
        here.registry.degrade = silent  # type: ignore[method-assign]
        here.host.commands["python3"] = printed("Python 3.12.1")
        here.control.reload.set()
        here.problem = "no space"
        for _ in range(3):
            before = here.row().last_heartbeat
            await here.until(lambda: here.row().last_heartbeat != before)  # noqa: B023 - awaited within the round
        assert here.versions() == ["3.11.7"]
        going.set()
        await here.until(lambda: here.versions() == ["3.12.1"])


async def test_a_reload_that_the_database_refuses_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World().running() as here:
        register, failures = here.registry.register, iter([DatabaseError("no"), DatabaseError("no")])

        async def refused_twice(registration: Any) -> int:
            for failure in failures:
                raise failure
            return await register(registration)

        monkeypatch.setattr(here.registry, "register", refused_twice)
        here.host.commands["python3"] = printed("Python 3.12.1")
        with capture_logs() as lines:
            here.control.reload.set()
            await here.until(lambda: here.versions() == ["3.12.1"])
            await here.until(lambda: "reloaded" in [line["event"] for line in lines])

    assert "cannot reload, trying again until it works: no" in [line["event"] for line in lines]


async def test_what_checks_found_while_the_registry_was_away_is_told_with_the_first_heartbeat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitor_module, "_RETRY", Backoff(1e6, 1e6))
    async with World().running() as here:
        here.registry.away = True
        record_health = here.registry.record_health
        told = asyncio.Event()

        async def refuse(node_id: int, report: Any) -> bool:
            told.set()
            raise DatabaseError("away")

        monkeypatch.setattr(here.registry, "record_health", refuse)
        here.healed = 2  # it is back when this test says so
        del here.host.commands["python3"]
        here.parts.monitor.suspect("core.python")
        await here.until(lambda: told.is_set() and here.healed > 2)
        monkeypatch.setattr(here.registry, "record_health", record_health)
        here.registry.away = False
        await here.until(lambda: here.row().capabilities["runtimes"] == [])


async def test_a_node_that_drains_takes_no_work_until_it_is_resumed() -> None:
    async with World().running() as here:
        node_id = (await here.record()).id
        await here.lifecycle.drain(node_id)
        await here.until(lambda: here.registration.node is None)
        await here.lifecycle.resume(node_id)
        await here.until(lambda: here.registration.node is not None)


async def test_work_that_outlasts_the_drain_is_ended() -> None:
    here = World(drain_timeout=0.1)
    here.service.finished.clear()
    async with here.running():
        here.control.stop.set()

    assert here.service.notes == ["keep", "finish", "close"]


async def test_work_that_a_drain_waits_for_is_ended_when_it_has_to_hurry() -> None:
    here = World(drain_timeout=1e6)
    here.service.finished.clear()
    async with here.running():
        here.control.stop.set()
        await here.until(lambda: here.service.notes == ["keep", "finish"])
        here.control.hurry.set()

    assert here.service.notes == ["keep", "finish", "close"]


async def test_a_service_that_fails_ends_the_node_with_its_error() -> None:
    here = World()
    here.service.failure = RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await run_node(here.parts, here.control, lambda registration: None)
    assert (await here.record()).status == "inactive"


async def test_other_nodes_that_are_not_heard_of_are_marked() -> None:
    async with World().running() as here:
        here.fleet.uptime += 3600
        here.fleet.nodes[("worker", "w0")] = _silent(here)
        await here.until(lambda: here.fleet.nodes[("worker", "w0")].record.status == "lost")


async def test_the_node_beats_on_while_marking_others_is_held_up() -> None:
    here, hung = World(), asyncio.Event()

    async def hang(*_: Any) -> int:
        hung.set()
        return int(await asyncio.get_running_loop().create_future())

    here.lifecycle.mark_overdue = hang  # type: ignore[method-assign]
    async with here.running():
        await hung.wait()
        before = here.row().last_heartbeat
        await here.until(lambda: here.row().last_heartbeat > before)


def _silent(here: World) -> Any:
    from copy import copy
    from dataclasses import replace
    from datetime import UTC, datetime

    node = copy(here.fleet.nodes[("worker", "w1")])
    node.record = replace(node.record, id=99, name="w0", last_heartbeat=datetime.now(UTC) - timedelta(hours=1))
    return node


async def test_a_node_without_a_place_is_degraded_from_the_start_takes_nothing_and_heals_by_itself() -> None:
    here = World()
    here.problem = "/run: no space left on device"
    async with here.running():
        assert (here.row().status, here.row().problem, here.registration.node) == ("degraded", here.problem, None)
        here.problem = None
        await here.until(lambda: here.row().status == "active")
        assert here.registration.node is not None
        here.problem = "/run: read-only file system"
        await here.until(lambda: here.row().problem == here.problem)


async def test_what_could_not_be_verified_without_a_place_is_offered_once_there_is_one() -> None:
    here = World()
    here.problem = "/run: no space left on device"
    here.host.commands["python3"] = Outcome(Ending.NOT_STARTED, detail="could not be started: no space left on device")
    async with here.running():
        assert here.row().capabilities["runtimes"] == []
        here.host.commands["python3"] = printed("Python 3.11.7")
        here.problem = None
        await here.until(lambda: here.row().capabilities["runtimes"] == ["python"])
        await here.until(lambda: here.row().status == "active")


async def test_what_work_finds_wrong_degrades_a_node_at_once_and_a_probe_that_passes_restores_it_ever_later() -> None:
    delays: list[int] = []

    class Noted(RestartRules):
        def delay(self, failures: int, chance: float = 0.5) -> float:
            delays.append(failures)
            return 0.01

    here = World()
    place = here.parts.place
    place.rules = Noted()
    async with here.running():
        for _ in range(3):
            place.unfit("nothing can be run: fork: resource temporarily unavailable")
            assert here.registration.node is None
            await here.until(lambda: here.row().problem)
            await here.until(lambda: here.row().status == "active")

    assert sorted(set(delays)) == [1, 2, 3]


async def test_a_node_that_is_resumed_without_a_place_is_degraded_again() -> None:
    here = World()
    async with here.running():
        node_id = (await here.record()).id
        await here.lifecycle.drain(node_id)
        here.problem = "/run: no space left on device"
        await here.until(lambda: here.row().problem)
        assert here.row().status == "draining"
        await here.lifecycle.resume(node_id)
        await here.until(lambda: here.row().status == "degraded")
