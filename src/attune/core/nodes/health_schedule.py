"""When each runtime is looked at again: cheaply often, fully seldom, spread. Pure: clock and chance are given."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from attune.core.nodes.health import RuntimeHealth

_JITTER = 0.2
# A contradiction is looked at again soon: the registry should be right within about one interval.
_SECOND_LOOK = 0.25


@dataclass(frozen=True, slots=True)
class CheckSchedule:
    """The seconds between two cheap checks of a runtime, and between two full ones."""

    interval: float = 60.0
    full_interval: float = 900.0


@dataclass(frozen=True, slots=True)
class Slot:
    """When the next cheap check and the next full one of a runtime are due."""

    cheap: float
    full: float

    @property
    def next(self) -> float:
        return min(self.cheap, self.full)


def spread(refs: Iterable[str], now: float, schedule: CheckSchedule, random: Random) -> dict[str, Slot]:
    """The first slots of *refs*: evenly over the interval, in a random order of their own for either check."""
    names = list(refs)
    cheap, full = random.sample(range(len(names)), len(names)), random.sample(range(len(names)), len(names))
    return {
        name: Slot(
            now + schedule.interval * (cheap[index] + random.random()) / len(names),
            now + schedule.full_interval * (full[index] + random.random()) / len(names),
        )
        for index, name in enumerate(names)
    }


def after_cheap(slot: Slot, now: float, schedule: CheckSchedule, random: Random) -> Slot:
    """The slot after a cheap check that saw no change."""
    return replace(slot, cheap=now + _jittered(schedule.interval, random))


def after_full(health: RuntimeHealth, now: float, schedule: CheckSchedule, random: Random) -> Slot:
    """The slot after a full check that led to *health*."""
    return Slot(now + _jittered(schedule.interval, random), now + _jittered(_until_full(health, schedule), random))


def _until_full(health: RuntimeHealth, schedule: CheckSchedule) -> float:
    """Soon where two looks disagree; what keeps failing or hanging is asked less and less often."""
    if health.offered and health.wavering:
        return schedule.interval * _SECOND_LOOK
    if health.wavering:  # good again, but not yet long or often enough
        return schedule.interval * (_SECOND_LOOK if not health.holds else 1.0)
    misses = health.failures + health.undecided
    if not misses:
        return schedule.full_interval
    return min(schedule.full_interval, schedule.interval * 2.0 ** min(misses - 1, 32))


def _jittered(seconds: float, random: Random) -> float:
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)
