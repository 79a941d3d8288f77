"""Five rounds of every fault on a rig of three workers, two sensors and two API processes, and a table of what came."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig_faults import GROUPS, clock_library, mount_works, small_disk
from rig_fleet import running_rig
from rig_rounds import HEAD, final_faults, one_round

ROUNDS = 5
DISKS = {"pg": "700m", "logs": "8m", "s1/data": "8m"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="rig-") as made:
        yield Path(made)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_nothing_is_lost_whatever_happens(folder: Path, number: int, group: str) -> None:
    can_mount, clocks = mount_works(folder), clock_library()
    faults = [fault for fault in GROUPS[group] if can_mount or not fault.needs_root]
    if group == "clocks" and clocks is None:
        pytest.skip("libfaketime is not installed: no clock of one process alone can be set")
    with ExitStack() as disks:
        if group == "disks" and can_mount:
            for name, size in DISKS.items():
                disks.enter_context(small_disk(folder / name, size))
        with running_rig(folder, clock_library=clocks if group == "clocks" else None) as rig:
            print(f"\nround {number}, {group}\n{HEAD}")
            results = one_round(rig, faults)
            wrong = [f"{result.fault}: {one}" for result in results for one in result.wrong]
            assert wrong + final_faults(rig) == []
