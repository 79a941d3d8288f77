"""Spans of time as people say them."""

from __future__ import annotations

_STEPS = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def precise(seconds: float) -> str:
    """Two units: `38s`, `3m12s`, `2h05m`, `3d04h`."""
    left = max(0, round(seconds))
    for index, (size, unit) in enumerate(_STEPS):
        if left >= size and index < len(_STEPS) - 1:
            minor, letter = _STEPS[index + 1]
            return f"{left // size}{unit}{left % size // minor:02d}{letter}"
    return f"{left}s"


def coarse(seconds: float) -> str:
    """One unit, rounded down: `38s`, `41m`, `2h`, `3d`."""
    left = max(0, round(seconds))
    size, unit = next(((size, unit) for size, unit in _STEPS if left >= size), _STEPS[-1])
    return f"{left // size}{unit}"
