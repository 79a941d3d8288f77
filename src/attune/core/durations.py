"""Spans of time as people say them."""

import re
from datetime import datetime, time, timedelta

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
_TIME_OF_DAY = re.compile(r"\s*\d\d:\d\d(:\d\d)?\s*")
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d)?")


def read_duration(value: object, *, bare: bool = False) -> float | None:
    """The seconds of `5`, `"5s"` or `"1.5m"`, and of `"5"` too where *bare*; None where it is no time."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if -1e300 < value < 1e300 else None
    span = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(span[1]) * _UNITS[span[2] or "s"] if span and (bare or span[2]) else None


def seconds_of(text: str, what: str = "duration") -> float:
    """The seconds that `30`, `1.5s`, `12h` or `7d` mean. Raises `UsageError` that begins with *what*."""
    seconds = read_duration(text, bare=True)
    if not seconds:
        expected = "a number above 0 and one of ms, s, m, h, d"
        raise UsageError(field=what, expected=expected, got=shown(text), hint="12h")
    return seconds


def moment_of(text: str, now: datetime, what: str = "time") -> datetime:
    """The moment that *text* means: a date and a time, or the next such time of day after *now*, which is local.

    Where it names no zone it is local too. Raises `UsageError` that begins with *what*.
    """
    try:
        if _TIME_OF_DAY.fullmatch(text):
            moment = datetime.combine(now, time.fromisoformat(text.strip()))
            return (moment if moment > now else moment + timedelta(days=1)).astimezone()
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError, OSError):
        expected = "a time such as 14:00, 2026-11-27 14:00 or 2026-11-27T14:00Z"
        raise UsageError(field=what, expected=expected, got=shown(text)) from None


def duration_text(seconds: float) -> str:
    """*seconds* in the largest unit up to hours that gives a whole number: `90s`, `24h`."""
    for unit in ("h", "m", "s"):
        if seconds >= _UNITS[unit] and (seconds / _UNITS[unit]).is_integer():
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"
