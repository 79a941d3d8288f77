"""From the lines of an output log to events, on a store in memory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attune.agent.sensors import event_forwarder as shipping
from attune.agent.sensors.event_forwarder import EventForwarder
from attune.core.errors import DatabaseError, DatabaseFault
from attune.core.sensors.event_line import LONGEST_LINE, NewEvent
from attune.core.sensors.sensor import Sensor
from attune.host.sensors.output_log import OutputLog, SensorFolder
from attune.testing import MemorySensors

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def refuses_13(**fault: Any) -> Callable[[NewEvent], DatabaseError | None]:
    """Refuses, as a database may, an event with the number 13."""
    return lambda event: DatabaseError("13", **fault) if event.payload.get("number") == 13 else None


class Desk:
    """A shipper with one output_log that a test prints into."""

    def __init__(self, folder: Path, store: MemorySensors) -> None:
        self.store = store
        store.definitions[1] = Sensor(1, "acme.a", "acme.happened", "a.py", "python", "core.python")
        self.folder = SensorFolder(folder)
        self.bad: list[int] = []
        self.pressed: list[bool] = []
        self.shipper = self.another()

    def another(self) -> EventForwarder:
        return EventForwarder(
            self.folder, self.store, lambda key, count: self.bad.append(count), lambda key, on: self.pressed.append(on)
        )

    async def begin(self) -> OutputLog:
        (taken,) = await self.store.take(1, [1], 10)
        output_log = self.folder.output_log(taken.output_log)
        output_log.create()
        self.shipper.expect(taken.output_log)
        return output_log

    @property
    def numbers(self) -> list[int]:
        return [event.payload["number"] for event in self.store.events]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, MemorySensors())


def put(output_log: OutputLog, *numbers: int, raw: bytes = b"") -> None:
    with output_log.path.open("ab") as file:
        file.write(b"".join(json.dumps({"number": number}).encode() + b"\n" for number in numbers) + raw)


async def test_a_line_is_an_event_once_it_has_its_end(desk: Desk) -> None:
    output_log = await desk.begin()
    put(output_log, 1, 2, raw=b'{"number"')
    await desk.shipper.ship()
    assert desk.numbers == [1, 2]
    put(output_log, raw=b": 3}\n")
    await desk.shipper.ship()

    assert desk.numbers == [1, 2, 3]


async def test_many_lines_are_stored_in_their_order_and_the_disk_is_given_back(desk: Desk) -> None:
    output_log = await desk.begin()
    put(output_log, *range(2000))
    size = output_log.size
    await desk.shipper.ship()

    assert desk.numbers == [*range(2000)]
    assert output_log.size == size
    assert output_log.path.stat().st_blocks * 512 < size  # where the file system cannot, this is where to look


async def test_lines_wait_while_the_database_is_away(desk: Desk) -> None:
    output_log = await desk.begin()
    await desk.shipper.ship()
    desk.store.away = True
    put(output_log, 1, 2)
    with pytest.raises(DatabaseError):
        await desk.shipper.ship()
    desk.store.away = False
    await desk.shipper.ship()

    assert desk.numbers == [1, 2]


async def test_two_readers_of_one_journal_store_each_line_once(desk: Desk) -> None:
    output_log = await desk.begin()
    other = desk.another()
    other.expect(output_log.id)
    for number in range(10):
        put(output_log, number)
        await (desk.shipper, other)[number % 2].ship()
        await (other, desk.shipper)[number % 2].ship()

    assert desk.numbers == [*range(10)]


async def test_the_next_process_goes_on_where_the_last_one_ended_and_puts_the_journal_away(desk: Desk) -> None:
    output_log = await desk.begin()
    put(output_log, 1)
    await desk.shipper.ship()
    put(output_log, 2, raw=b"half")
    await desk.store.release(1, {1: 1})
    await desk.another().ship()

    assert desk.numbers == [1, 2]
    assert not output_log.folder.exists()
    assert await desk.store.output_log(output_log.id) is None


async def test_a_line_that_is_too_long_is_dropped_and_the_next_one_kept(desk: Desk) -> None:
    output_log = await desk.begin()
    put(output_log, 1, raw=b"x" * (3 * LONGEST_LINE))
    await desk.shipper.ship()
    put(output_log, raw=b"x\n")
    put(output_log, 2)
    await desk.shipper.ship()

    assert desk.numbers == [1, 2]
    assert desk.bad == [1]


@pytest.mark.parametrize(("row_fault", "refused"), [(True, 0), (False, 5)])
async def test_a_line_that_is_itself_at_fault_is_set_aside_and_does_not_stop_the_others(
    desk: Desk, row_fault: bool, refused: int
) -> None:
    desk.store.refuses = refuses_13(fault=DatabaseFault.REJECTED, sqlstate="XX000", row_fault=row_fault)
    output_log = await desk.begin()
    put(output_log, *range(30))
    for _ in range(refused):
        with pytest.raises(DatabaseError):
            await desk.shipper.ship()
    await desk.shipper.ship()

    assert desk.numbers == [number for number in range(30) if number != 13]
    assert [event.payload for event in desk.store.aside] == [{"number": 13}]


@pytest.mark.parametrize("fault", [DatabaseFault.UNAVAILABLE, DatabaseFault.CONFLICT])
async def test_what_is_not_the_fault_of_a_line_keeps_it_waiting_and_its_sensor_only(
    desk: Desk, fault: DatabaseFault
) -> None:
    desk.store.definitions[2] = replace(desk.store.definitions[1], id=2, ref="acme.b")
    desk.store.refuses = refuses_13(fault=fault, sqlstate="53100")
    output_log = await desk.begin()
    (taken,) = await desk.store.take(1, [2], 10)
    other = desk.folder.output_log(taken.output_log)
    other.create()
    desk.shipper.expect(taken.output_log)
    put(output_log, 13, 14)
    for number in range(20):
        put(other, 100 + number)
        with pytest.raises(DatabaseError):
            await desk.shipper.ship()
    assert desk.numbers == [*range(100, 120)]

    desk.store.refuses = lambda event: None
    await desk.shipper.ship()
    assert desk.numbers[20:] == [13, 14]
    assert desk.store.aside == []


async def test_a_sensor_is_held_back_while_too_much_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "_MOST_WAITING", 1000)
    monkeypatch.setattr(shipping, "_MOST_STEPS", 1)
    output_log = await desk.begin()
    put(output_log, *range(600))
    await desk.shipper.ship()
    assert desk.pressed == [True]
    await desk.shipper.ship()
    await desk.shipper.ship()

    assert desk.pressed[-1] is False
    assert desk.numbers == [*range(600)]


def put_anew(output_log: OutputLog, number: int) -> None:
    before = output_log.changed
    while output_log.changed == before:  # the kernel's clock has ticks
        with output_log.path.open("ab") as file:
            subprocess.run(["/bin/sh", "-c", f"echo '{{\"number\": {number}}}' >/dev/stdout"], stdout=file, check=True)


async def test_a_sensor_that_empties_its_output_is_told_of_once_and_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(shipping.log, "warning", told.append)
    output_log = await desk.begin()
    put(output_log, *range(100, 200))
    await desk.shipper.ship()
    for number in (1, 2, 3, 3, 10, 20):  # shorter than what was stored, as long, the same, longer
        put_anew(output_log, number)
        await desk.shipper.ship()
        await desk.shipper.ship()

    assert desk.numbers == [*range(100, 200), 1, 2, 3, 3, 10, 20]
    assert told == [f"sensor acme.a {shipping._EMPTIED}"]
    put(output_log, 21)
    await desk.shipper.ship()
    assert desk.numbers[-2:] == [20, 21]
    assert not desk.bad


async def test_what_is_only_looked_at_is_not_stored_twice(desk: Desk) -> None:
    output_log = await desk.begin()
    put(output_log, *range(2000))
    for _ in range(3):
        await desk.shipper.ship()
    await desk.another().ship(scan=True)
    put(output_log, 2000)
    for _ in range(3):
        await desk.shipper.ship()

    assert desk.numbers == [*range(2001)]
