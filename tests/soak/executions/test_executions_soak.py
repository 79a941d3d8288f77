"""Whatever happens to workers, to the database and to runtimes: each execution ends once, and ran where it could."""

from __future__ import annotations

from pathlib import Path

import pytest

from execution_history import make_history


@pytest.mark.timeout(900)
def test_a_short_history_obeys_its_laws(tmp_path: Path) -> None:
    told = make_history(tmp_path, executions=240, kills=3, stops=1, removals=2, seed=7, wait_seconds=600)
    print(f"\n{told}")
    assert told.statuses == {"completed": 240}, told


@pytest.mark.timeout(1800)
def test_a_long_history_obeys_its_laws(tmp_path: Path) -> None:
    told = make_history(tmp_path, executions=5000, kills=25, stops=3, removals=12, seed=5000, wait_seconds=900)
    print(f"\n{told}")
    assert told.statuses.get("completed") == 5000
