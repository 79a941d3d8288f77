"""`SensorOutput`, `SensorOutputs`, `SensorStarter` and `RunningSensor`: one suite for the fake and this host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from attune.core.ports.sensors import SensorProgram
from attune.host.contract.execution_contract import default_contract
from attune.host.contract.supervisors import boottime
from attune.host.sensors.output_log import SensorFolder
from attune.host.sensors.process import HostSensorStarter
from attune.testing import FakeSensorHost

pytestmark = pytest.mark.anyio


@dataclass
class Host:
    """A host's files and starter; `write` puts bytes into a file, as a sensor would."""

    outputs: Any
    start: Any
    write: Callable[[UUID, bytes], None]

    async def started(self, output: Any, script: str = "exec sleep 60") -> tuple[Any, Any]:
        """A running sensor, and None or how it failed to start."""
        output.create()
        program = SensorProgram(("/bin/sh", "-c", script), output.path, output.work)
        sensor = await self.start(program, boottime() + 60, lambda line: None)
        return sensor, await sensor.started()


@pytest.fixture(params=["fake", "host"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    if request.param == "fake":
        fake = FakeSensorHost()

        def put(key: UUID, text: bytes) -> None:
            fake.output_log(key).printed += text

        return Host(fake, fake, put)
    folder = SensorFolder(tmp_path)

    def append(key: UUID, text: bytes) -> None:
        with folder.output_log(key).path.open("ab") as file:
            file.write(text)

    return Host(folder, HostSensorStarter(default_contract({"PATH": os.environ["PATH"]})), append)


def test_a_file_is_there_once_it_is_created_until_it_is_removed(host: Host) -> None:
    assert [one.id for one in host.outputs.output_logs()] == []
    key = uuid4()
    output = host.outputs.output_log(key)
    assert (output.exists, output.size, output.is_closed, output.id) == (False, 0, True, key)
    output.create()

    assert (output.exists, output.size, output.is_closed) == (True, 0, True)
    assert [one.id for one in host.outputs.output_logs()] == [key]
    output.remove()
    assert (output.exists, output.size, [*host.outputs.output_logs()]) == (False, 0, [])


def test_what_is_printed_is_read_from_any_offset_and_forgetting_moves_none(host: Host) -> None:
    key = uuid4()
    output = host.outputs.output_log(key)
    output.create()
    host.write(key, b"one\ntwo\n")
    output.forget(0, 4)

    assert output.size == 8
    assert (output.read(4, 100), output.read(4, 2), output.read(8, 10)) == (b"two\n", b"tw", b"")


def test_the_live_node_of_a_name_holds_its_place_until_it_lets_go(host: Host) -> None:
    assert host.outputs.hold("s1") is True
    assert host.outputs.hold("s1") is True
    host.outputs.release()
    assert host.outputs.hold("s1") is True
    host.outputs.release()


async def test_a_sensor_runs_until_it_is_asked_to_stop(host: Host) -> None:
    output = host.outputs.output_log(uuid4())
    sensor, failure = await host.started(output)
    assert failure is None
    assert sensor.pid is not None
    sensor.extend(boottime() + 90)
    sensor.pause()
    sensor.resume()
    assert not output.is_closed
    sensor.stop()

    async with asyncio.timeout(30):
        end = await sensor.end()
    assert (end.by, end.interpreter_failed) == ("asked", False)
    assert output.is_closed


async def test_a_sensor_that_is_killed_ends(host: Host) -> None:
    output = host.outputs.output_log(uuid4())
    sensor, _ = await host.started(output)
    sensor.kill()

    async with asyncio.timeout(30):
        assert (await sensor.end()).reason
    assert output.is_closed
