"""The law of what may run twice, on heartbeats that were planted."""

from __future__ import annotations

from attune.core.ports.nodes import Overdue
from rig_losses import LostAttempt, lost_wrongly

OVERDUE = Overdue(2.0, 4.0)


def test_the_law_finds_workers_that_were_lost_wrongly() -> None:
    steady = [float(at) for at in range(20)]
    loss = LostAttempt(1, "w1", 12.0)

    assert lost_wrongly(loss, {"w1": [1.0], "w2": steady}, OVERDUE) is None
    assert "was heard of 3.0 s before" in str(lost_wrongly(loss, {"w1": [1.0, 9.0], "w2": steady}, OVERDUE))
    away = [at for at in steady if not 1 < at < 11]
    assert "only 1.4 s of it alone" in str(lost_wrongly(loss, {"w1": [1.0], "w2": away}, OVERDUE))
