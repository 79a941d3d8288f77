"""The sensors of one node, on a store and a host in memory: taken, run, told of, lost, given back."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from attune.agent.secrets import SecretResolver
from attune.agent.sensors import instance
from attune.agent.sensors.builtin import BuiltinSensors
from attune.agent.sensors.event_forwarder import EventForwarder
from attune.agent.sensors.instance import BuiltinInstance, ProcessInstance, SensorContext, SensorInstance
from attune.agent.sensors.leases import DatabaseClock, NodeSensors, SensorLeases
from attune.core.backoff import RestartRules
from attune.core.matching.fleet import Capability, CapabilityInstance
from attune.core.ports.sensors import SensorEnd, SensorReport, SensorStatus, TakenLease
from attune.core.sensors.sensor import Sensor
from attune.testing import FakeSensor, FakeSensorHost, MemoryPackFolders, MemorySecrets, MemorySensors
from fleets import capability, node

pytestmark = pytest.mark.anyio
LEASE = 1.0
TICK = Sensor(1, "acme.tick", "acme.ticked", "/opt/tick.py", "python", "core.python")
TIMER = Sensor(2, "acme.timer", "acme.ticked", "interval", "builtin", "core.sensor.builtin", config={"every": "100ms"})
WRONG = Sensor(3, "acme.wrong", "acme.ticked", "cron", "builtin", "core.sensor.builtin", config={"cron": "soon"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SensorNode:
    """Node 1 of a store in memory, which offers Python and the built-in sensors."""

    async def rechecked(self, refs: Collection[str]) -> Collection[str] | None:
        return self.failing

    def __init__(self, *sensors: Sensor, failures: tuple[SensorEnd, ...] = ()) -> None:
        self.store = MemorySensors({one.id: one for one in sensors})
        python = Capability("python", instances=(CapabilityInstance("3.11.7", sys.executable),), ref="core.python")
        self.store.nodes = [node(1, python, capability("builtin", None, ref="core.sensor.builtin"))]
        self.failing: list[str] | None = None
        self.host = FakeSensorHost(*failures)
        self.secrets = MemorySecrets()
        self.suspects: list[str] = []
        self.sensors = NodeSensors(lambda: ("w1", 1))
        clock = DatabaseClock(time.monotonic)
        context = SensorContext(
            folder=self.host,
            start=self.host,
            node=self.sensors.node_now,
            clock=time.monotonic,
            suspect=self.suspects.append,
            recheck=self.rechecked,
            secrets=SecretResolver(self.secrets, self.secrets.cipher),
            packs=MemoryPackFolders(),
            restarts=RestartRules(first=0.02, slowest=0.5, failed_after=3),
        )
        builtins = BuiltinSensors(lambda: 1, self.store, clock.now, lambda path: lambda: None)

        def begin(sensor: Sensor, taken: TakenLease, told: Callable[[], None]) -> SensorInstance:
            if sensor.is_builtin:
                return BuiltinInstance(sensor, taken, told, builtins.watch)
            return ProcessInstance(sensor, taken, context, told)

        self.leases = SensorLeases(
            self.sensors,
            self.store,
            self.host,
            LEASE,
            clock,
            begin=begin,
            forwarder=EventForwarder(self.host, self.store, self.sensors.bad_lines, self.sensors.throttle),
        )
        self.stop = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SensorNode]:
        keeping = asyncio.create_task(self.leases.keep(self.stop))
        try:
            yield self
        finally:
            self.stop.set()
            self.store.changed.set()
            await keeping
            await self.leases.close()

    async def until(self, condition: Callable[[], Any]) -> Any:
        """What *condition* is, once it is true."""
        end = time.monotonic() + 100
        while not (value := condition()):
            assert time.monotonic() < end, "expected the condition to become true"
            await asyncio.sleep(0.01)
        return value

    async def run(self, count: int = 1) -> FakeSensor:
        """The last of *count* sensors, once so many were started."""
        await self.until(lambda: len(self.host.started) >= count)
        return self.host.started[count - 1]

    async def status(self, state: str, number: int = 0) -> SensorStatus:
        """How sensor *number* is, once it is in *state*."""
        end = time.monotonic() + 100
        while (found := (await self.store.status())[number]).state != state:
            assert time.monotonic() < end, found
            await asyncio.sleep(0.01)
        return found

    def change(self, **changes: Any) -> None:
        self.store.definitions[1] = replace(self.store.definitions[1], **changes)
        self.store.changed.set()


async def test_a_free_sensor_is_taken_and_started_with_the_verified_interpreter() -> None:
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        status = await here.status("running")

    assert sensor.program.argv == (sys.executable, "/opt/tick.py")
    assert sensor.program.environment == {"ATTUNE_SENSOR": "acme.tick", "ATTUNE_TRIGGER": "acme.ticked"}
    assert (status.node, status.pid, status.epoch) == ("w1", 4711, 1)


async def test_what_a_sensor_prints_is_stored_once_and_lines_that_are_no_events_are_counted() -> None:
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        for number in range(3):
            sensor.put(json.dumps({"number": number}) + "\n")
        sensor.put("not an event\n")
        await here.until(lambda: here.sensors.held[1].report.bad_lines == 1)
        await asyncio.sleep(0.1)
        assert (await here.status("running")).bad_lines == 1

    assert [event.payload["number"] for event in here.store.events] == [0, 1, 2]


async def test_what_a_sensor_printed_last_on_stderr_is_told_at_once_with_its_state_and_else_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(instance, "_LINES_SECONDS", 0.2)
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        await here.status("running")
        told: list[str] = []
        report = here.store.report

        async def counted(node_id: int, reports: Sequence[SensorReport]) -> None:
            told.extend(one.last_lines for one in reports)
            await report(node_id, reports)

        monkeypatch.setattr(here.store, "report", counted)
        for number in range(1000):
            sensor.complain(f"line {number} {'x' * 300}")
            if number % 100 == 0:
                await asyncio.sleep(0.001)
        await here.until(lambda: told and told[-1].splitlines()[-1].startswith("line 999 "))
        assert len(told) < 20
        sensor.complain("the disk is full")
        sensor.finish("ended with exit code 3")
        await here.until(lambda: told[-1].endswith("\nthe disk is full"))

    assert len(told[-1]) == 4096


async def test_a_sensor_that_an_operator_moves_is_given_back_and_waits_for_that_node() -> None:
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        await here.status("running")
        here.store.nodes.append(replace(here.store.nodes[0], id=2, name="w2"))
        assert await here.store.move("acme.tick", "w2") == "w2"
        await here.until(lambda: not here.sensors.held)
        taken = await here.store.take(2, [1], 10)
        moved = (await here.store.status())[0]

    assert (sensor.asked, [one.epoch for one in taken]) == (["stop"], [2])
    assert (moved.node, moved.wanted) == ("w2", None)


async def test_a_sensor_that_ends_is_started_again_and_counts_as_failed_when_it_flaps() -> None:
    async with SensorNode(TICK).running() as here:
        for count in (1, 2, 3):
            (await here.run(count)).finish(f"ended with exit code {count}")
        failed = await here.status("failed")
        await here.run(4)

    assert failed.restarts >= 2 and "exit code 3, 3 times in a row" in failed.reason


async def test_an_interpreter_that_cannot_be_executed_is_suspected_and_tried_again() -> None:
    broken = SensorEnd("cannot be started: no such file", interpreter_failed=True)
    async with SensorNode(TICK, failures=(broken,)).running() as here:
        await here.run(2)
        await here.status("running")

    assert here.suspects == ["core.python"]


async def test_a_lease_is_renewed_for_as_long_as_the_sensor_runs() -> None:
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        first = sensor.until
        await here.until(lambda: sensor.until > first)

    assert len(here.host.started) == 1


async def test_a_lease_that_is_lost_ends_the_sensor_at_once_and_it_is_taken_anew() -> None:
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        here.store.ahead += timedelta(seconds=10 * LEASE)
        again = await here.run(2)
        epoch = (await here.status("running")).epoch

    assert (sensor.ended.result().reason, epoch) == ("was killed", 2)
    assert again.program.output_log != sensor.program.output_log


async def test_a_sensor_that_is_switched_off_is_given_back() -> None:
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        here.change(enabled=False)
        await here.until(lambda: not here.sensors.held)

    assert sensor.asked == ["stop"]
    assert (await here.store.status())[0].state == "disabled"


async def test_a_sensor_whose_definition_changed_is_started_as_it_is_now() -> None:
    async with SensorNode(TICK).running() as here:
        await here.run()
        here.change(entrypoint="/opt/tock.py")
        again = await here.run(2)

    assert again.program.argv[-1] == "/opt/tock.py"


async def test_an_outage_of_the_database_leaves_the_sensor_running_and_its_events_waiting() -> None:
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        here.store.away = True
        here.store.changed.set()
        sensor.put('{"number": 1}\n')
        await asyncio.sleep(0.3)
        assert here.store.events == [] and not sensor.ended.done()
        here.store.away = False
        await here.until(lambda: here.store.events)

    assert len(here.store.events) == 1


async def test_a_node_that_finishes_stores_what_was_printed_last_and_gives_its_leases_back() -> None:
    async with SensorNode(TICK).running() as here:
        sensor = await here.run()
        await here.status("running")
        sensor.put('{"number": 1}\n')
        await here.leases.finish()
        view = await here.store.world()
        assert here.sensors.held == {} and view.leases[1].is_free

    assert [event.payload for event in here.store.events] == [{"number": 1}]
    assert here.host.holder is None


async def test_a_node_takes_up_at_once_what_an_earlier_process_of_it_left() -> None:
    here = SensorNode(TICK)
    (left,) = await here.store.take(1, [1], 1000)
    file = here.host.output_log(left.output_log)
    file.create()
    file.printed = b'{"number": 7}\n'
    async with here.running():
        await here.run()
        await here.until(lambda: here.store.events)

    assert [event.payload for event in here.store.events] == [{"number": 7}]


async def test_another_process_of_the_same_name_keeps_its_sensors() -> None:
    here = SensorNode(TICK)
    await here.store.take(1, [1], 1000)
    here.host.holder = "another"
    async with here.running():
        await asyncio.sleep(0.3)

    assert here.host.started == []


async def test_a_built_in_timer_fires_under_its_lease() -> None:
    async with SensorNode(TIMER).running() as here:
        await here.until(lambda: len(here.store.events) >= 2)
        await here.status("running")

    assert {event.sensor_ref for event in here.store.events} == {"acme.timer"}


async def test_a_timer_fires_when_it_begins_if_it_is_told_to() -> None:
    slow = replace(TIMER, config={"every": "1d", "at_start": True})
    async with SensorNode(slow).running() as here:
        await here.until(lambda: here.store.events)

    assert [event.payload["missed"] for event in here.store.events] == [0]


async def test_a_built_in_sensor_with_a_config_that_cannot_be_used_says_so() -> None:
    async with SensorNode(WRONG).running() as here:
        failed = await here.status("failed")

    assert "cron" in failed.reason
