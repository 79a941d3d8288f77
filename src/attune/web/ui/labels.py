"""How states and times are shown: a symbol, a word and a class for the colour, never a colour alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from attune.core.durations import coarse


class Shown(NamedTuple):
    """A state as a page shows it."""

    symbol: str
    word: str
    tone: str


_STATES = {
    name: look
    for look, names in {
        ("✓", "good"): ("available", "completed"),
        ("•", "told"): ("assumed",),
        ("◇", "told"): ("declared",),
        ("–", "none"): ("unavailable", "cancelled"),
        ("?", "doubt"): ("unknown",),
        ("!", "bad"): ("invalid", "error"),
        ("●", "good"): ("active",),
        ("●", "told"): ("busy", "running"),
        ("○", "told"): ("starting", "scheduled"),
        ("○", "none"): ("inactive",),
        ("◐", "doubt"): ("draining", "canceling"),
        ("◔", "doubt"): ("stale",),
        ("◌", "doubt"): ("requested", "scheduling"),
        ("✕", "bad"): ("lost", "failed", "timeout", "abandoned"),
    }.items()
    for name in names
}
NODE_STATES = ("active", "busy", "starting", "draining", "stale", "lost", "inactive", "error")


def state(name: str) -> Shown:
    """How the state *name* is shown."""
    symbol, tone = _STATES.get(name, ("·", "none"))
    return Shown(symbol, name, tone)


def ago(seconds: float | None) -> str:
    """`38s ago`."""
    return "never" if seconds is None else f"{coarse(seconds)} ago"


def since(moment: datetime | None) -> str:
    """How long ago *moment* was."""
    return "never" if moment is None else ago((datetime.now(UTC) - moment).total_seconds())
