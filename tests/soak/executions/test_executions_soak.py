"""Five thousand executions, twenty-five kills of workers, three immediate stops of PostgreSQL, vanishing runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from execution_history import make_history


@pytest.mark.timeout(1800)
def test_a_long_history_obeys_its_laws(tmp_path: Path) -> None:
    told = make_history(tmp_path, executions=5000, kills=25, stops=3, removals=12, seed=5000, patience=900)
    print(f"\n{told}")
    assert told.statuses.get("completed") == 5000
