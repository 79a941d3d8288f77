"""What a reload withdraws from a fleet, on a registry in memory and a fake host for each node."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from attune.agent.detector import HostDetector
from attune.agent.health.monitor import HealthMonitor
from attune.agent.registration import NodeRegistration
from attune.config import Settings
from attune.core.nodes.role import WORKER
from attune.core.runtimes.command import Ending, Outcome
from attune.operations.runtimes.examine import Examiner
from attune.operations.runtimes.reverify import Reverifier
from attune.testing import FakeHost, MemoryFleet, MemoryFleetLosses, MemoryNodes, MemoryRuntimes, printed
from factories import command, make_runtime, verification

pytestmark = pytest.mark.anyio

NODES = 6
SMOKE = {"args": ["-c", "print('{nonce}')"]}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def definition(binary: str = "python3", **keys: Any) -> Any:
    return make_runtime(distributions=verification(command(binary=binary, args=["--version"]), **keys))


def passing() -> dict[str, Any]:
    return {"python3": printed("Python 3.11.7", path=sys.executable)}


class Fleet:
    """Workers that offer python by the definition of one catalogue."""

    def __init__(self, nodes: int = NODES, share: float = 0.3) -> None:
        self.rows = MemoryFleet()
        self.catalog = MemoryRuntimes([definition()])
        self.hosts = [FakeHost(passing()) for _ in range(nodes)]
        settings = Settings()
        settings = replace(settings, health=replace(settings.health, fleet_guard=share))
        self.nodes = [self.node(number, host, settings) for number, host in enumerate(self.hosts)]

    def node(self, number: int, host: FakeHost, settings: Settings) -> NodeRegistration:
        examiner = Examiner(host, host)
        return NodeRegistration(
            WORKER,
            settings,
            registry=MemoryNodes(self.rows),
            detector=HostDetector(self.catalog, lambda _: examiner),
            labels=lambda section: {},
            losses=MemoryFleetLosses(self.rows),
            name=f"w{number}",
        )

    async def start(self) -> None:
        for node in self.nodes:
            await node.register()

    async def changed(self, to: Any) -> None:
        await self.catalog.save_runtime(to, changed_by="ann")
        for node in self.nodes:
            await node.reload()

    def offers(self) -> list[bool]:
        return ["python" in node.record.capabilities["runtimes"] for node in self.rows.nodes.values()]

    def reasons(self) -> list[str]:
        return [node.runtimes[0].reason for node in self.rows.nodes.values()]

    async def kept(self) -> int:
        return sum(loss.kept for loss in await MemoryFleetLosses(self.rows).list_losses())


async def test_a_definition_that_fails_everywhere_is_withdrawn_from_no_more_than_the_share(anyio_backend: str) -> None:
    fleet = Fleet()
    await fleet.start()
    with capture_logs() as logs:
        await fleet.changed(definition("python9"))

    assert fleet.offers() == [False] + [True] * 5
    why = (
        "kept by the fleet guard: 3 of 6 live workers would lose it, the changed definition: python9: not found on PATH"
    )
    assert fleet.reasons()[2] == f"verified by `python3 --version`; {why}"
    assert f"! Runtime Python (core.python) {why}" in [entry["event"] for entry in logs]
    assert await fleet.kept() == 5
    await fleet.changed(definition("python9"))
    assert fleet.offers() == [False] + [True] * 5
    assert fleet.reasons()[2].count("kept by the fleet guard") == 1


async def test_a_definition_that_is_right_again_ends_the_warning(anyio_backend: str) -> None:
    fleet = Fleet()
    await fleet.start()
    await fleet.changed(definition("python9"))
    await fleet.changed(definition())

    assert fleet.offers() == [True] * NODES
    assert set(fleet.reasons()) == {"verified by `python3 --version`"}
    assert await fleet.kept() == 0


@pytest.mark.parametrize(("nodes", "share"), [(4, 0.3), (6, 1.0)])
async def test_small_fleets_and_those_without_a_guard_lose_it(anyio_backend: str, nodes: int, share: float) -> None:
    fleet = Fleet(nodes, share)
    await fleet.start()
    await fleet.changed(definition("python9"))

    assert not any(fleet.offers())


async def test_a_malformed_definition_is_kept_off_too(anyio_backend: str) -> None:
    fleet = Fleet()
    await fleet.start()
    await fleet.changed(make_runtime(distributions={"verification": {"commands": [{"binary": 7}]}}))

    assert fleet.offers() == [False] + [True] * 5
    assert "the changed definition: verification.commands[0].binary: expected" in fleet.reasons()[1]


async def test_checks_that_cannot_decide_leave_the_last_good_verdict(anyio_backend: str) -> None:
    fleet = Fleet()
    await fleet.start()
    for host in fleet.hosts:
        host.commands["python3"] = Outcome(Ending.TIMED_OUT, detail="timed out after 10 s")
    await fleet.changed(definition())
    warned = fleet.reasons()
    for host in fleet.hosts:
        host.commands |= passing()
    await fleet.changed(definition())

    assert "the last check could not decide: python3 --version: timed out" in warned[0]
    assert "kept by the fleet guard: 2 of 6 live workers would lose it, the last check: " in warned[1]
    assert fleet.offers() == [True] * NODES
    assert await fleet.kept() == 0


@pytest.mark.parametrize("why", ["gone", "smoke", "policy", "start"])
async def test_what_is_really_gone_is_always_withdrawn(anyio_backend: str, why: str, tmp_path: Any) -> None:
    fleet = Fleet()
    new = definition("python9")
    if why == "gone":
        (there := tmp_path / "python3").symlink_to(sys.executable)
        for host in fleet.hosts:
            host.commands["python3"] = printed("Python 3.11.7", path=str(there))
    if why == "smoke":
        new = definition(smoke=SMOKE)
    await fleet.start()
    if why == "gone":
        there.unlink()
    for host in fleet.hosts:
        if why == "policy":
            host.commands["python9"] = Outcome(Ending.REFUSED, detail="not among host.allowed_binaries")
    if why == "start":
        for node in fleet.nodes:
            await node.deregister()
        fleet.nodes = [fleet.node(number, host, Settings()) for number, host in enumerate(fleet.hosts)]
        await fleet.catalog.save_runtime(new, changed_by="ann")
        for node in fleet.nodes:
            await node.register()
    else:
        await fleet.changed(new)

    assert not any(fleet.offers())
    (loss,) = await MemoryFleetLosses(fleet.rows).list_losses()
    assert (loss.losing, loss.kept, loss.exceeds(0.3)) == (NODES, 0, True)


async def test_what_is_kept_is_verified_by_the_definition_that_it_had(anyio_backend: str) -> None:
    fleet = Fleet()
    await fleet.start()
    await fleet.changed(definition("python9"))
    node, host = fleet.nodes[3], fleet.hosts[3]
    assert node.detection is not None
    reverifier = Reverifier(Examiner(host, host), host, time.monotonic)
    kept = reverifier.begin(node.detection.definitions, node.detection.verdicts)
    passed = reverifier.round(kept, {"core.python"}).kept["core.python"].health.shown
    del host.commands["python3"]
    (lost,) = reverifier.round(kept, {"core.python"}).transitions

    assert passed.status.offered
    assert passed.reason.startswith("verified by `python3 --version`; kept by the fleet guard: 4 of 6")
    assert passed.kept
    assert (lost.to_status.offered, lost.reason) == (False, "python3: not found on PATH")
    HealthMonitor(node, reverifier)
