"""The law of what may run twice: only what a node ran that alone was not heard of for `lost_after`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attune.core.ports.nodes import Overdue

_BEING_WRITTEN = 0.5
"""Seconds; a heartbeat that young may not have been there yet for whoever judged."""


@dataclass(frozen=True)
class LostAttempt:
    """That the history of an execution says at *at* that *worker* was lost while it ran."""

    execution: int
    worker: str
    at: float


def lost_wrongly(loss: LostAttempt, beats: Mapping[str, Sequence[float]], overdue: Overdue) -> str | None:
    """Why *loss* must not be, by the times of all accepted *beats*; None where its worker alone was silent so long."""
    own = max((at for at in beats.get(loss.worker, ()) if at < loss.at - _BEING_WRITTEN), default=float("-inf"))
    if (silent := loss.at - own) < overdue.lost_after:
        return f"{loss} was heard of {silent:.1f} s before"
    others = sorted(at for name in beats.keys() - {loss.worker} for at in beats[name] if own < at < loss.at)
    pauses = [later - earlier for earlier, later in itertools.pairwise([own, *others, loss.at])]
    # One that another was not heard of, either, counts little; what was counted is only as fine as looks are frequent.
    alone = sum(pause if pause < overdue.stale_after else overdue.lost_after / 10 for pause in pauses)
    if alone < 0.8 * overdue.lost_after:
        return f"{loss} was silent for {silent:.1f} s, but only {alone:.1f} s of it alone"
    return None
