"""Whatever happens to workers, to the database and to runtimes: each execution ends once, and ran where it could."""

from __future__ import annotations

from pathlib import Path

from execution_history import make_history


def test_a_short_history_obeys_its_laws(tmp_path: Path) -> None:
    told = make_history(tmp_path, executions=240, kills=3, stops=1, removals=2, seed=7, patience=30)
    print(told)
    assert told.statuses == {"completed": 240}, told
