"""Sensor nodes as processes: each sensor runs once, and nothing that it printed is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sensors import SensorFleet
from waiting import wait_for


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str) -> Iterator[SensorFleet]:
    made = SensorFleet(tmp_path, migrated_database)
    yield made
    made.close()


def test_each_sensor_runs_once_and_survives_its_node(fleet: SensorFleet) -> None:
    for name in ("one", "two", "three", "four"):
        fleet.add(name)
    fleet.start("s1", "s2")
    wait_for(lambda: len(fleet.holders()) == 4, 20)
    print(fleet.holders())
    for victim in ("s1", "s2", "s1", "s2"):
        fleet.kill(victim)
        wait_for(lambda: len(fleet.holders()) == 4, 20)
        fleet.start(victim)
        wait_for(lambda: len(fleet.holders()) == 4, 20)
    fleet.close()
    fleet.start("s1", "s2")
    fleet.close()
    assert fleet.overlaps() == []
    assert len(fleet.printed()) > 100
    assert fleet.stored() == fleet.printed()
