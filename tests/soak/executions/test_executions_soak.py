"""Whatever happens to workers, the database, runtimes and the pack: each execution ends once, in order, as asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from execution_history import HistoryPlan, make_history


@pytest.mark.timeout(900)
def test_a_short_history_obeys_its_laws(tmp_path: Path) -> None:
    disasters = {"kill": 3, "stop": 1, "removal": 2, "upgrade": 3}
    told = make_history(tmp_path, HistoryPlan(240, disasters, seed=7, wait_seconds=600))
    print(f"\n{told}")
    assert told.statuses == {"completed": told.executions}, told


@pytest.mark.timeout(2400)
def test_a_long_history_obeys_its_laws(tmp_path: Path) -> None:
    disasters = {"kill": 25, "stop": 3, "removal": 12, "upgrade": 12}
    told = make_history(tmp_path, HistoryPlan(5000, disasters, seed=5000, wait_seconds=900))
    print(f"\n{told}")
    assert told.statuses == {"completed": told.executions}, told
