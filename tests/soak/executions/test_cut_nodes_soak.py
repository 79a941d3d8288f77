"""Rounds of what can happen between workers and their database; what may run twice is the law of `cut_fleets`."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from attune.config import Settings
from attune.core.ports.nodes import Overdue
from cut_fleets import NAMES, CutFleet, cut_fleet, cut_for
from waiting import rows, wait_for
from worker_processes import ask

SHORT = Overdue(3.0, 6.0, amnesty=0.0)
AT_ONCE = 10
"""Rounds on one fleet."""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(5))
def test_fifty_rounds_of_silence_cuts_and_outages(number: int, tmp_path: Path, migrated_database: str) -> None:
    with cut_fleet(tmp_path, migrated_database, SHORT, 1.0) as fleet:
        _rounds(fleet, AT_ONCE, random.Random(number))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(3))
def test_three_rounds_with_the_times_that_are_default(number: int, tmp_path: Path, migrated_database: str) -> None:
    heartbeat = Settings().heartbeat
    overdue = Overdue(heartbeat.stale_after, heartbeat.lost_after, amnesty=0.0)
    with cut_fleet(tmp_path, migrated_database, overdue, heartbeat.interval) as fleet:
        _rounds(fleet, 1, random.Random(number))


def _rounds(fleet: CutFleet, count: int, chance: random.Random) -> None:
    lost_after = fleet.overdue.lost_after
    asked = 0
    for number in range(count):
        wanted = [("check.python", {"told": str(fleet.told), "seconds": 1.3 * lost_after})] * len(NAMES)
        asked += len(ask(fleet.url, wanted))
        wait_for(lambda: fleet.counts().get("running") == len(NAMES))
        time.sleep(chance.uniform(0, lost_after / 3))
        names = chance.choice([NAMES, NAMES[:1], NAMES[1:]])
        which = [fleet.proxies[name] for name in names]
        if chance.random() < 0.4:
            what = "silent"
            for proxy in which:
                proxy.silence()
        else:
            seconds = chance.uniform(0.2, 1.6) * lost_after
            what = f"cut for {seconds:.1f} s"
            cut_for(which, seconds)
        fleet.check_law(asked)
        print(f"round {number}: {' and '.join(names)} {what}; losses in all: {len(fleet.losses())}")
    ((twice,),) = rows(fleet.url, "SELECT count(*) FROM execution WHERE attempt > 1")
    print(f"lost_after {lost_after:g} s, {count} rounds, {asked} executions: {twice} ran again, each rightly")
