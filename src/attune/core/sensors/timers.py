"""The built-in sensors `interval` and `cron`. Pure. What fell due unfired is fired once, with a count of misses."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from cronsim import CronSim, CronSimError

from attune.core.documents import Section
from attune.core.errors import shown

_SHORTEST, _LONGEST = 0.1, 366 * 86_400.0
_MOST_COUNTED = 1000
_NAMED = {
    **{"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0"},
    **{"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *"},
}


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer has fired: for the time `at`, after `missed` others that nobody fired (counted up to 1000)."""

    at: datetime
    missed: int = 0

    def payload(self) -> dict[str, Any]:
        return {"at": self.at.isoformat(), "missed": self.missed}


@dataclass(frozen=True, slots=True)
class IntervalTimer:
    """Fires every so many seconds; the first time one interval after it began, or, if `at_start`, when it begins."""

    every: float
    at_start: bool = False

    def next(self, last: datetime) -> datetime:
        """When it fires after it fired (or began) at *last*."""
        return last + timedelta(seconds=self.every)

    def fire(self, last: datetime, now: datetime) -> TimerFired | None:
        """What is due by *now*, in the grid that *last* began."""
        passed = int((now - last) / timedelta(seconds=self.every))
        if passed < 1:
            return None
        return TimerFired(last + passed * timedelta(seconds=self.every), min(passed - 1, _MOST_COUNTED))


@dataclass(frozen=True, slots=True)
class CronTimer:
    """Fires at the times of a cron expression in a time zone."""

    expression: str
    zone: tzinfo = UTC
    at_start = False

    def next(self, last: datetime) -> datetime | None:
        """The first time after *last*; None where there is none within 50 years."""
        times = CronSim(self.expression, last.astimezone(UTC).astimezone(self.zone))
        return next((at for at in times if at.astimezone(UTC) > last.astimezone(UTC)), None)

    def fire(self, last: datetime, now: datetime) -> TimerFired | None:
        """The latest time that is due by *now*, if any is after *last*."""
        # In UTC: two times of one zone compare by what its clocks show, which is the same twice when they go back.
        start, end = last.astimezone(UTC), now.astimezone(UTC)
        latest: datetime | None = None
        count = 0
        for at in CronSim(self.expression, start.astimezone(self.zone)):
            if at.astimezone(UTC) > end or count > _MOST_COUNTED:
                break
            if at.astimezone(UTC) > start:
                latest, count = at, count + 1
        if latest is None:
            return None
        return TimerFired(self._latest(end) if count > _MOST_COUNTED else latest, count - 1)

    def _latest(self, now: datetime) -> datetime:
        # The search backwards leaves its own start out.
        times = CronSim(self.expression, (now + timedelta(seconds=1)).astimezone(self.zone), reverse=True)
        return next(at for at in times if at.astimezone(UTC) <= now)


Timer = IntervalTimer | CronTimer


def parse_interval(config: Section) -> IntervalTimer | None:
    """`{"every": "5s", "at_start": true}`: the timer, or None after noting what is wrong."""
    expected = "a time from 100ms to 366d, such as '5s'"
    every = config.seconds("every", _SHORTEST, _LONGEST, expected)
    if config.node("every") is None:
        config.refuse("every", expected)
    at_start = config.flag("at_start")
    return IntervalTimer(every, at_start) if every is not None else None


def parse_cron(config: Section) -> CronTimer | None:
    """`{"cron": "*/5 * * * *", "timezone": "Europe/Berlin"}`: the timer, or None after noting what is wrong.

    The expression may also be a name such as `@daily`.
    """
    node, zone_node = config.node("cron"), config.node("timezone")
    expression, zone = node.value if node else None, _zone(zone_node.value if zone_node else "UTC")
    if zone is None:
        config.refuse("timezone", "a time zone such as 'Europe/Berlin'")
    expected = "a cron expression such as '*/5 * * * *' or @daily"
    if not isinstance(expression, str) or not expression.strip():
        config.refuse("cron", expected)
        return None
    expression = _NAMED.get(expression.strip().lower(), expression)
    try:
        if next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)), None) is None:
            config.refuse("cron", "an expression that some time fits")
    except CronSimError as error:
        config.refuse("cron", expected, f"{shown(expression)}: {str(error).lower()}")
    return CronTimer(expression, zone) if zone else None


def _zone(name: object) -> tzinfo | None:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name) if isinstance(name, str) and name else None
    except (KeyError, ValueError, OSError):
        return None
