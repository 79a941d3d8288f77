"""Constraints moved as little as possible: to admit one version more, or the version that would satisfy one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from attune.core.errors import VersionError
from attune.core.runtimes.constraint import Clause, Constraint, Edge, Interval, Truth, VersionBound, after
from attune.core.runtimes.version import Version, plain

_MAX_TEXT = 1000
_PADDED = 3


def relaxed(constraint: Constraint, version: Version) -> Constraint | None:
    """*constraint* widened until it admits *version*, by its own precision: `>=20` admits 18.20.4 as `>=18`.

    A gap, an exclusion or a pre-release gets an alternative of its own (`17 || 20 || >=21`). None where neither works.
    """
    if len(constraint.clauses) == 1 and not version.is_prerelease:
        moved = _moved(constraint.clauses[0], version)
        if moved.check(version) is Truth.YES:
            return moved
    try:
        joined = constraint | Constraint.parse(str(version))
    except VersionError:
        return None
    return joined if joined.check(version) is Truth.YES and len(str(joined)) <= _MAX_TEXT else None


def _moved(clause: Clause, version: Version) -> Constraint:
    lower, upper = clause.span.lower, clause.span.upper
    if lower is not None and lower.is_under(version) is Truth.NO:
        lower = VersionBound.at(plain(version.release[: len(lower.version.release)]), Edge.BEFORE)
    elif upper is not None and upper.is_under(version) is Truth.YES:
        upper = VersionBound.at(plain(after(version.release[: len(upper.version.release)])), Edge.BELOW)
    excluded = [span for span in clause.excluded if span.check(version) is not Truth.YES]
    return Constraint.of([Clause.of([Interval(lower, upper)], excluded)])


def witness(constraint: Constraint | None) -> str | None:
    """A version that satisfies *constraint*, or None where none is easily found."""
    if constraint is None:
        return "1.0.0"
    found = (version for version in _likely(constraint) if constraint.check(version) is Truth.YES)
    return next((str(version) for version in found), None)


def _likely(constraint: Constraint) -> Iterator[Version]:
    """Its bounds, what follows them closely and what precedes them, most natural first."""
    cuts = chain.from_iterable((clause.span.lower, clause.span.upper) for clause in constraint.clauses)
    bounds = [cut.version for cut in cuts if cut is not None]
    bounds += [span.upper.version for clause in constraint.clauses for span in clause.excluded if span.upper]
    for bound in bounds:
        padded = bound.release + (0,) * (_PADDED - len(bound.release))
        yield plain(padded)
        yield bound
        for step in range(1, 4):
            yield plain((*padded[:-1], padded[-1] + step))
        yield plain((*padded, 1))
        yield plain(after(bound.release) + (0,) * (_PADDED - len(bound.release)))
        if bound.release[0]:
            yield plain((bound.release[0] - 1, 0, 0))
    yield plain((0, 0, 0))
    yield plain((0, 0, 1))
