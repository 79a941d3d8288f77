"""Constraints moved as little as possible: to admit one version more, or the version that would satisfy one."""

from collections.abc import Iterator

from attune.core.errors import VersionError
from attune.core.runtimes.constraint import Constraint
from attune.core.runtimes.interval import Bound, Clause, Edge, Interval, Truth, after
from attune.core.runtimes.version import Version, plain

_MAX_TEXT = 1000
_PADDED = 3


def relaxed(constraint: Constraint, version: Version) -> Constraint | None:
    """*constraint* widened to admit *version*: `>=20` as `>=18`, a gap by an alternative; None where neither works."""
    if len(constraint.clauses) == 1:
        moved = _moved(constraint.clauses[0], version)
        if moved.check(version) is Truth.YES:
            return moved
    try:
        joined = constraint | Constraint.parse(str(version))
    except VersionError:
        return None
    return joined if joined.check(version) is Truth.YES and len(str(joined)) <= _MAX_TEXT else None


def _moved(clause: Clause, version: Version) -> Constraint:
    lower, upper = clause.interval.lower, clause.interval.upper
    if lower is not None and lower.is_under(version) is Truth.NO:
        lower = Bound.at(plain(version.release[: len(lower.version.release)]), Edge.BEFORE)
    elif upper is not None and upper.is_under(version) is Truth.YES:
        upper = Bound.at(plain(after(version.release[: len(upper.version.release)])), Edge.BELOW)
    excluded = [interval for interval in clause.excluded if interval.check(version) is not Truth.YES]
    return Constraint.of([Clause.of([Interval(lower, upper)], excluded)])


def satisfying_version(constraint: Constraint | None) -> str | None:
    """A version that satisfies *constraint*, or None where none is easily found."""
    if constraint is None:
        return "1.0.0"
    satisfying = (version for version in _likely(constraint) if constraint.check(version) is Truth.YES)
    return next((str(version) for version in satisfying), None)


def _likely(constraint: Constraint) -> Iterator[Version]:
    """Its bounds, what follows them closely and what precedes them, most natural first."""
    excluded = [interval.upper for clause in constraint.clauses for interval in clause.excluded if interval.upper]
    for bound in (*constraint.bounds, *excluded):
        release = bound.version.release
        padded = release + (0,) * (_PADDED - len(release))
        yield plain(padded)
        yield bound.version
        for step in range(1, 4):
            yield plain((*padded[:-1], padded[-1] + step))
        yield plain((*padded, 1))
        yield plain(after(release) + (0,) * (_PADDED - len(release)))
        if release[0]:
            yield plain((release[0] - 1, 0, 0))
    yield plain((0, 0, 0))
    yield plain((0, 0, 1))
