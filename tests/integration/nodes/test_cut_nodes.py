"""Workers whose connections go silent or are cut: their names, their work, and who may judge them."""

from __future__ import annotations

from pathlib import Path

from attune.core.ports.nodes import Overdue
from cut_fleets import NAMES, cut_fleet, cut_for
from waiting import wait_for
from worker_processes import ask

OVERDUE = Overdue(2.0, 4.0, amnesty=0.0)


def test_work_runs_once_through_silent_connections_and_an_outage_for_all(
    tmp_path: Path, migrated_database: str
) -> None:
    with cut_fleet(tmp_path, migrated_database, OVERDUE, 0.3) as fleet:
        ask(fleet.url, [("check.python", {"told": str(fleet.told), "seconds": 1.3 * OVERDUE.lost_after})] * len(NAMES))
        wait_for(lambda: len(fleet.runs()) == len(NAMES))
        fleet.proxies["w1"].silence()
        wait_for(lambda: "heartbeats work again" in (tmp_path / "w1.log").read_text())
        cut_for(list(fleet.proxies.values()), 1.2 * OVERDUE.lost_after)
        fleet.check_law(len(NAMES))

        assert all(process.poll() is None for process in fleet.processes.values())
