"""Twenty kills of sensor nodes: one instance of each sensor at a time, and every line that was printed is one event."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from sensor_programs import SensorFleet
from waiting import rows, status, wait_for

NAMES = tuple(f"sensor{number}" for number in range(6))
KILLS = 20


@pytest.mark.timeout(900)
def test_twenty_kills_of_sensor_nodes(tmp_path: Path, migrated_database: str) -> None:
    chance = random.Random(20)
    fleet = SensorFleet(tmp_path, migrated_database)
    fleet.start("s1", "s2")
    try:
        wait_for(lambda: status(fleet.url, "sensor") == {"s1": "active", "s2": "active"})
        for name in NAMES:
            fleet.add(name, pause=0.005)
        wait_for(lambda: len(fleet.holders()) == len(NAMES))
        for _ in range(KILLS):
            victim = chance.choice(("s1", "s2"))
            fleet.kill(victim)
            time.sleep(chance.uniform(0, 4))
            fleet.start(victim)
            before = len(fleet.lived())
            wait_for(lambda since=before: {one[1] for one in fleet.lived()[since:]} == {*NAMES})
            time.sleep(chance.uniform(0, 1))
    finally:
        fleet.close()
    wait_for(lambda: all(one.poll() is not None for one in fleet.processes.values()))
    fleet.start("s1", "s2")  # what a killed node left in its files is stored by the next one there
    wait_for(lambda: len(fleet.holders()) == len(NAMES))
    fleet.close()

    printed, stored = fleet.printed(), fleet.stored()
    epochs = rows(fleet.url, "SELECT sum(epoch)::int FROM sensor_lease")[0][0]
    lives = len({(name, pid) for _, name, pid, _, _ in fleet.lived()})
    print(f"\n{KILLS} kills, {epochs} leases, {lives} processes, {len(printed)} lines printed, {len(stored)} events")
    assert fleet.overlaps() == []
    assert sorted(set(printed) - set(stored)) == []
    assert len(stored) == len(set(stored))
