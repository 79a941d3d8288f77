"""Spans of time as people say them."""

from __future__ import annotations

import re

from attune.core.errors import UsageError, shown

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


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d)?")


def seconds_of(text: str, what: str = "duration") -> float:
    """The seconds that `30`, `1.5s`, `12h` or `7d` mean. Raises `UsageError` that begins with *what*."""
    found = _SPAN.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"{what}: expected a number above 0 and one of ms, s, m, h, d, got {shown(text)}", hint="12h")
    return seconds
