"""Intervals of versions, with a three-valued answer to whether a version lies inside."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from attune.core.runtimes.version import Version, plain, without_zeros


class Truth(Enum):
    """Yes, no, or not known, with Kleene's logic. It has no truth value of its own: compare with a member."""

    NO = 0
    UNKNOWN = 1
    YES = 2

    def __and__(self, other: "Truth") -> "Truth":
        return self if self.value <= other.value else other

    def __or__(self, other: "Truth") -> "Truth":
        return self if self.value >= other.value else other

    def __invert__(self) -> "Truth":
        return Truth(2 - self.value)

    def __bool__(self) -> bool:
        raise TypeError("a Truth is no bool: compare it with Truth.YES or Truth.NO")


class Edge(Enum):
    """Where a cut falls: below a release and all its pre-releases, just before a version, or just after it."""

    BELOW = -1
    BEFORE = 0
    AFTER = 1


Place = tuple[tuple[int, ...], tuple[object, ...], int]
_START: Place = ((), (), 0)


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a span of versions."""

    version: Version
    edge: Edge
    place: Place

    @classmethod
    def at(cls, version: Version, edge: Edge) -> "Bound":
        # Zeros at the end say nothing, except of a release that is itself the last one inside.
        if version.is_plain and edge is not Edge.AFTER:
            version = without_zeros(version)
        release, *rest = version.key
        if edge is Edge.BELOW:
            return cls(version, edge, (release, (), 0))
        return cls(version, edge, (release, tuple(rest), edge.value))

    def is_under(self, version: Version) -> Truth:
        """Whether *version* lies above; unknown where it names too few components to tell."""
        mine, theirs = self.version.release, version.release
        if len(theirs) < len(mine) and version.is_plain and mine[: len(theirs)] == theirs:
            beyond = self.version.is_prerelease and not any(mine[len(theirs) :])
            return Truth.YES if beyond else Truth.UNKNOWN
        release, *rest = version.key
        return Truth.YES if (release, tuple(rest), 0) >= self.place else Truth.NO


@dataclass(frozen=True, slots=True)
class Interval:
    """The versions between two cuts; None means no limit."""

    lower: Bound | None = None
    upper: Bound | None = None

    @classmethod
    def series(cls, release: tuple[int, ...], edge: Edge = Edge.BEFORE) -> "Interval":
        return cls(Bound.at(plain(release), edge), Bound.at(plain(after(release)), Edge.BELOW))

    @property
    def bounds(self) -> list[Bound]:
        return [bound for bound in (self.lower, self.upper) if bound is not None]

    @classmethod
    def exactly(cls, version: Version) -> "Interval":
        return cls(Bound.at(version, Edge.BEFORE), Bound.at(version, Edge.AFTER))

    def check(self, version: Version) -> Truth:
        above = Truth.YES if self.lower is None else self.lower.is_under(version)
        return above if self.upper is None else above & ~self.upper.is_under(version)

    def overlaps(self, other: "Interval") -> bool:
        def below(lower: Bound | None, upper: Bound | None) -> bool:
            return lower is None or upper is None or lower.place < upper.place

        return below(self.lower, other.upper) and below(other.lower, self.upper) and below(self.lower, self.upper)

    def narrowed(self, other: "Interval") -> "Interval":
        lowers = [bound for bound in (self.lower, other.lower) if bound is not None]
        uppers = [bound for bound in (self.upper, other.upper) if bound is not None]
        return Interval(
            max(lowers, key=lambda bound: (bound.place, len(bound.version.release)), default=None),
            min(uppers, key=lambda bound: (bound.place, -len(bound.version.release)), default=None),
        )


@dataclass(frozen=True, slots=True)
class Clause:
    """One alternative of a constraint: an interval without some intervals. `str()` is its canonical text."""

    interval: Interval
    excluded: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[Interval], excluded: Iterable[Interval] = ()) -> "Clause":
        """what is in all of *intervals* and in none of *excluded*."""
        whole = Interval()
        for interval in intervals:
            whole = whole.narrowed(interval)
        if not whole.overlaps(whole):
            return NEVER
        kept = {interval for interval in excluded if whole.overlaps(interval)}
        return cls(whole, tuple(sorted(kept, key=order_of)))

    def check(self, version: Version) -> Truth:
        truth = self.interval.check(version)
        for interval in self.excluded:
            truth &= ~interval.check(version)
        return truth

    def __str__(self) -> str:
        parts = [*_interval_text(self.interval), *(f"!={_excluded_text(interval)}" for interval in self.excluded)]
        return ",".join(parts) or "*"


def after(release: tuple[int, ...]) -> tuple[int, ...]:
    """The release number that follows the series *release*: (3, 11) gives (3, 12)."""
    return (*release[:-1], release[-1] + 1)


NEVER = Clause(Interval(None, Bound.at(plain((0,)), Edge.BELOW)))


def order_of(interval: Interval) -> tuple[object, ...]:
    lower, upper = interval.lower, interval.upper
    return (lower.place if lower else _START, upper is not None, upper.place if upper else _START, str(upper))


def _interval_text(interval: Interval) -> list[str]:
    lower, upper = interval.lower, interval.upper
    named = _series_of(interval, Edge.BEFORE)
    if named is not None:
        return [named]
    if lower and upper and upper.edge is Edge.AFTER and lower.place[:2] == upper.place[:2]:
        return [f"=={upper.version}"]
    parts = []
    if lower:
        parts.append(f"{'>' if lower.edge is Edge.AFTER else '>='}{lower.version}")
    if upper:
        parts.append(f"{'<=' if upper.edge is Edge.AFTER else '<'}{upper.version}")
    return parts


def _excluded_text(interval: Interval) -> str:
    named = _series_of(interval, Edge.BELOW)
    return f"{named}.*" if named else str(interval.upper.version if interval.upper else "")


def _series_of(interval: Interval, edge: Edge) -> str | None:
    """`3.11` for what lies from *edge* of 3.11 to below 3.12, None for any other span."""
    lower, upper = interval.lower, interval.upper
    if lower is None or upper is None or upper.edge is not Edge.BELOW or not lower.version.is_plain:
        return None
    begin, end = lower.version.release, upper.version.release
    begin += (0,) * (len(end) - len(begin))
    if lower.edge is not edge or after(begin) != end:
        return None
    return ".".join(map(str, begin))
