"""A thousand jobs, three workers, and one of them breaks: its place, or what runs its work."""

from __future__ import annotations

from pathlib import Path

import pytest

from black_holes import breakable_python, costs_no_work, in_the_way, made_fleet, made_place, start_all


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["place", "runtime"])
def test_a_black_hole_costs_no_work(tmp_path: Path, migrated_database: str, kind: str) -> None:
    with made_place() as place, made_fleet(tmp_path, migrated_database, place) as fleet:
        broken = breakable_python(fleet)
        start_all(fleet)
        if kind == "place":
            in_the_way(place / "run")
        else:
            broken.touch()
        returned = costs_no_work(fleet, "check.shell" if kind == "place" else "check.python", 1000)
        print(f"\n1000 completed, none failed or lost, {returned} given back by what has a broken {kind}")
