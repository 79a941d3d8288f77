"""The loop of health checks, on a fake host and a registry in memory that can be out of reach."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from attune.agent.detector import HostDetector
from attune.agent.health.monitor import HealthMonitor
from attune.agent.registration import NodeRegistration
from attune.config import Settings
from attune.core.errors import DatabaseError
from attune.core.nodes.health_schedule import CheckSchedule
from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import HealthReport
from attune.core.runtimes.command import Outcome
from attune.operations.runtimes.examine import Examiner
from attune.operations.runtimes.reverify import Reverifier
from attune.testing import FakeHost, MemoryNodes, MemoryRuntimes, printed
from factories import command, make_definition, make_runtime, verification

pytestmark = pytest.mark.anyio

SMOKE = {"args": ["-e", "puts", "{nonce}"]}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Registry(MemoryNodes):
    """A registry that refuses health reports while `reachable` is False."""

    reachable: bool = True
    reports: list[HealthReport] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def record_health(self, node_id: int, report: HealthReport) -> bool:
        if not self.reachable:
            raise DatabaseError("cannot reach the database: it is away")
        self.reports.append(report)
        return await super().record_health(node_id, report)


class AssignmentView:
    """A node whose health checks run."""

    def __init__(self, interval: float) -> None:
        self.host = FakeHost({"python3": printed("Python 3.11.7"), "ruby": printed("ruby 3.2.1")})
        runtimes = [
            make_runtime(),
            make_runtime("acme.ruby", "Ruby", verification(command(binary="ruby", pattern=None))),
        ]
        self.registry = Registry()
        examiner = Examiner(self.host, self.host)
        detector = HostDetector(MemoryRuntimes(runtimes), lambda _settings: examiner)
        self.node = NodeRegistration(
            WORKER, Settings(), registry=self.registry, detector=detector, labels=lambda section: {}, name="w1"
        )
        rhythm = CheckSchedule(interval, 1e6)
        self.vigil = HealthMonitor(self.node, Reverifier(examiner, self.host, time.monotonic, schedule=rhythm))
        self.stop = asyncio.Event()

    async def capabilities(self) -> Any:
        (record,) = await self.registry.list_nodes()
        return record.capabilities["runtimes"]

    async def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + 100
        while not condition():
            assert time.monotonic() < end, condition
            await asyncio.sleep(0.01)


@pytest.fixture(params=[0.05])
async def world(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[AssignmentView]:
    made = AssignmentView(request.param)
    await made.node.register()
    made.host.ran.clear()
    keeping = asyncio.create_task(made.vigil.keep(made.stop))
    yield made
    made.stop.set()
    await keeping


async def test_nothing_is_written_while_nothing_changes(world: AssignmentView) -> None:
    await asyncio.sleep(0.5)

    assert (world.registry.reports, world.host.ran) == ([], [])


async def test_what_is_gone_is_withdrawn_from_the_registry_and_from_the_registration(world: AssignmentView) -> None:
    del world.host.commands["ruby"]
    await world.until(lambda: world.registry.reports)

    assert await world.capabilities() == ["python"]
    assert world.node.detection is not None and world.node.detection.offered == ["python"]
    await world.node.register()
    assert await world.capabilities() == ["python"]


@pytest.mark.parametrize("world", [1000.0], indirect=True)
async def test_another_version_is_a_line_and_only_what_was_there_is_there_again(world: AssignmentView) -> None:
    async def look(count: int) -> list[str]:
        with capture_logs() as lines:
            world.vigil.suspect("acme.ruby")
            await world.until(lambda: len(world.registry.reports) == count)
        return [line["event"] for line in lines]

    await asyncio.sleep(0.1)
    world.host.commands["ruby"] = lambda argv: printed("ruby 3.3.0")
    said = await look(1)
    assert [line for line in said if "->" in line] == ["ruby 3.2.1 -> 3.3.0 on w1"]
    assert [line for line in said if line.startswith("checked acme.ruby: available in ")]
    assert not [line for line in await look(2) if "->" in line]
    world.host.commands["ruby"] = lambda argv: printed("", exit_code=1)
    assert not [line for line in await look(3) if "Runtime" in line]
    assert [line.partition(":")[0] for line in await look(4) if "Runtime" in line] == [
        "✗ Runtime withdrawn"]  # fmt: skip
    world.host.commands["ruby"] = lambda argv: printed("ruby 3.3.0")
    said = await look(5) + await look(6)
    assert [line.partition(":")[0] for line in said if "Runtime" in line] == ["✓ Runtime available again"]


async def test_what_never_was_there_is_not_there_again(anyio_backend: str) -> None:
    world = AssignmentView(1000.0)
    del world.host.commands["ruby"]
    await world.node.register()
    keeping = asyncio.create_task(world.vigil.keep(world.stop))
    await asyncio.sleep(0.1)
    world.host.commands["ruby"] = lambda argv: printed("ruby 3.2.1")
    with capture_logs() as lines:
        for count in (1, 2):
            world.vigil.suspect("acme.ruby")
            await world.until(lambda: len(world.registry.reports) == count)  # noqa: B023
    world.stop.set()
    await keeping
    assert next(line["event"] for line in lines if "Runtime" in line["event"]).startswith("✓ Runtime available: Ruby")


@pytest.mark.parametrize("world", [1000.0], indirect=True)
async def test_a_suspect_is_run_at_once_and_only_it(world: AssignmentView) -> None:
    broken: Callable[[tuple[str, ...]], Outcome] = lambda argv: printed("", exit_code=1)  # noqa: E731
    await asyncio.sleep(0.1)
    world.host.commands["ruby"] = broken
    world.vigil.suspect("acme.ruby")
    await world.until(lambda: len(world.registry.reports) == 1)
    assert await world.capabilities() == ["ruby", "python"]

    world.vigil.suspect("acme.ruby")
    await world.until(lambda: len(world.registry.reports) == 2)
    assert await world.capabilities() == ["python"]
    assert {argv[0] for argv in world.host.ran} == {"ruby"}


@pytest.mark.parametrize("world", [1000.0], indirect=True)
async def test_what_work_and_a_smoke_check_found_broken_is_withdrawn_at_once_and_verified_by_that_check(
    world: AssignmentView,
) -> None:
    await asyncio.sleep(0.1)
    ruby = make_definition(command(binary="ruby", pattern=None), ref="acme.ruby", name="Ruby", smoke=SMOKE)
    world.vigil.found_broken(ruby)
    await world.until(lambda: world.registry.reports)

    assert await world.capabilities() == ["python"]
    assert [argv[1] for argv in world.host.ran] == ["--version", "-e"]
    world.host.commands["ruby"] = lambda argv: printed(argv[-1])
    for count in (2, 3):
        world.vigil.suspect("acme.ruby")
        await world.until(lambda: len(world.registry.reports) == count)  # noqa: B023
    assert await world.capabilities() == ["ruby", "python"]


async def test_what_happened_during_an_outage_is_told_afterwards_with_its_times(world: AssignmentView) -> None:
    world.registry.reachable = False
    assert world.node.node_id is not None
    ruby = world.host.commands.pop("ruby")
    await world.until(lambda: world.node.detection and world.node.detection.offered == ["python"])
    world.host.commands["ruby"] = ruby
    await world.until(lambda: world.node.detection and "ruby" in world.node.detection.offered)
    returned = datetime.now(UTC)
    await asyncio.sleep(0.3)
    assert await world.registry.node_transitions(world.node.node_id) == []

    world.registry.reachable = True
    await world.until(lambda: world.registry.reports)
    up, down = await world.registry.node_transitions(world.node.node_id)
    assert (down.to_status, up.to_status) == ("unavailable", "available")
    assert down.at < up.at < returned
    await asyncio.sleep(0.2)
    assert len(world.registry.reports) == 1


async def test_a_node_that_detects_again_keeps_true_what_it_found_then(world: AssignmentView) -> None:
    before = world.node.detection
    world.host.commands["ruby"] = printed("ruby 3.3.0")
    await world.node.detect_capabilities()
    await world.node.register()
    assert world.node.detection is not before
    del world.host.commands["python3"]
    await world.until(lambda: world.registry.reports)

    (record,) = await world.registry.list_nodes()
    assert record.capabilities["runtime_versions"] == {"ruby": ["3.3.0"]}


@pytest.mark.parametrize("world", [1000.0], indirect=True)
async def test_what_has_changed_since_its_verdict_is_run_before_anybody_relies_on_it(world: AssignmentView) -> None:
    refs = ("core.python", "acme.ruby", "core.shell")
    await world.until(lambda: world.vigil._kept)
    assert await world.vigil.recheck(refs) is None
    assert world.host.ran == []

    world.host.commands["ruby"] = printed("ruby 3.3.0")
    assert await world.vigil.recheck(refs) == []
    assert {argv[0] for argv in world.host.ran} == {"ruby"}
    node = world.node.node
    assert node is not None and node.capabilities["acme.ruby"].instances[0].version == "3.3.0"

    world.host.commands["ruby"] = printed("", exit_code=1)
    assert await world.vigil.recheck(refs) == ["acme.ruby"]
    assert await world.vigil.recheck(refs) is None  # that is known now
    del world.host.commands["ruby"]
    assert await world.vigil.recheck(["acme.ruby"]) == ["acme.ruby"]
