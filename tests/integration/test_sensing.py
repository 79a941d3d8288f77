"""Sensor nodes as processes: each sensor runs once, and nothing that it printed is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sensors import SensorFleet
from waiting import status, wait_for


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str) -> Iterator[SensorFleet]:
    made = SensorFleet(tmp_path, migrated_database)
    yield made
    made.close()


def killed_again_and_again(fleet: SensorFleet, victims: Sequence[str]) -> None:
    """Kill one node after the other; wait until the other one runs everything, every second time."""
    sensors = len(fleet.holders())
    for number, victim in enumerate(victims):
        fleet.kill(victim)
        if number % 2 == 0:
            wait_for(lambda gone=victim: len(fleet.holders()) == sensors and gone not in fleet.holders().values(), 20)
        fleet.start(victim)
        began = len(fleet.lived())
        wait_for(lambda: len(fleet.holders()) == sensors, 20)
        wait_for(lambda before=began: {one[1] for one in fleet.lived()[before:]} == {"one", "two", "three"}, 20)


def test_each_sensor_runs_once_and_loses_nothing_when_nodes_are_killed(fleet: SensorFleet) -> None:
    fleet.start("s1", "s2")
    wait_for(lambda: status(fleet.url, "sensor") == {"s1": "active", "s2": "active"}, 20)
    for name in ("one", "two", "three"):
        fleet.add(name)
    wait_for(lambda: len(fleet.holders()) == 3, 20)
    assert set(fleet.holders().values()) == {"s1", "s2"}

    killed_again_and_again(fleet, ("s1", "s2", "s1", "s2"))
    fleet.close()

    assert fleet.overlaps() == []
    printed = fleet.printed()
    assert len({pid for _, pid, _ in printed}) >= 7
    assert fleet.stored() == printed
