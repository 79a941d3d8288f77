"""Rounds of what can happen between workers and their database; what may run twice is the law of `cut_fleets`."""

from __future__ import annotations

import random
import time
from pathlib import Path

from cut_fleets import LOST_AFTER, NAMES, cut_fleet, cut_for
from waiting import rows, wait_for
from worker_processes import ask

ROUNDS = 50


def test_fifty_rounds_of_silence_cuts_and_outages(tmp_path: Path, migrated_database: str) -> None:
    chance = random.Random(14)
    asked = 0
    with cut_fleet(tmp_path, migrated_database) as fleet:
        for _ in range(ROUNDS):
            wanted = [("check.python", {"told": str(fleet.told), "seconds": 1.3 * LOST_AFTER})] * len(NAMES)
            asked += len(ask(fleet.url, wanted))
            wait_for(lambda: fleet.counts().get("running") == len(NAMES))
            time.sleep(chance.uniform(0, 2))
            which = [fleet.proxies[name] for name in chance.choice([NAMES, NAMES[:1], NAMES[1:]])]
            if chance.random() < 0.4:
                for proxy in which:
                    proxy.silence()
            else:
                cut_for(which, chance.uniform(0.2, 1.6) * LOST_AFTER)
            fleet.check_law(asked)
        ((twice, lost),) = rows(fleet.url, "SELECT count(*) FILTER (WHERE attempt > 1), sum(losses) FROM execution")
        print(f"{ROUNDS} rounds, {asked} executions: {twice} ran twice, {lost} losses")
