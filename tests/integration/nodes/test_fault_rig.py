"""One short round of faults on a rig of workers, sensors and API processes; `make soak` has all of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rig_faults import CHEAP
from rig_fleet import running_rig
from rig_rounds import final_faults, one_round


def test_nothing_is_lost_where_processes_are_killed_and_the_database_refuses() -> None:
    with tempfile.TemporaryDirectory(prefix="rig-") as folder, running_rig(Path(folder)) as rig:
        results = one_round(rig, CHEAP)

        assert [one for result in results for one in result.wrong] + final_faults(rig) == []
        assert all(result.stored for result in results)
