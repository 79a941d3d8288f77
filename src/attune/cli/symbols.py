"""How a status looks: a word, a symbol and a colour, never a colour alone."""

from __future__ import annotations

import locale
import sys

from attune.config import variable

_LOOKS = {
    status: look
    for look, statuses in {
        ("✓", "+", "green"): ("available", "active", "running", "completed"),
        ("•", "*", "blue"): ("assumed", "starting", "busy", "scheduled"),
        ("◇", "o", "blue"): ("declared",),
        ("•", "*", "yellow"): ("draining", "waiting", "requested", "scheduling", "canceling"),
        ("?", "?", "yellow"): ("unknown", "stale", "backing off"),
        ("–", "-", "bright_black"): ("unavailable", "inactive", "cancelled", "disabled"),
        ("!", "!", "red"): ("invalid", "timeout", "abandoned", "failed", "lost", "error"),
    }.items()
    for status in statuses
}
ORDER = {"available": 0, "assumed": 1, "declared": 2, "unknown": 3, "unavailable": 4, "invalid": 5}


def fancy() -> bool:
    """Whether symbols beyond ASCII and colours are wanted: a terminal, a UTF-8 locale, no NO_COLOR."""
    return sys.stdout.isatty() and not variable("NO_COLOR") and "UTF" in locale.getpreferredencoding().upper()


def with_symbol(status: str) -> str:
    """*status* with its symbol before it."""
    symbol, plain, _ = _LOOKS.get(status, ("?", "?", None))
    return f"{symbol if fancy() else plain} {status}"


def colour_of(status: str) -> str | None:
    """The colour of *status*, None where colours are not wanted."""
    return _LOOKS.get(status, ("", "", None))[2] if fancy() else None
