"""Which versions are wanted: `>=3.9,<4`, `~=3.11`, `^20.1`, `~>3.2`, `17 || >=21`; and the three-valued answer.

A comma or a space means and, `||` means or. Each operator means what it means where it comes from (PEP 440,
node-semver, RubyGems). Where those differ, a bound of one or two components names its whole series, as node-semver
has it: `>17` begins at 18, `<=3.12` admits 3.12.4. `==` and `!=` are exact, as PEP 440 has them (`==3.11` is 3.11.0);
a bare `3.11`, `=3.11` and `==3.11.*` are the series. A pre-release stands just below its release: 3.13.0rc1 is within
`>=3.12,<3.14` and not within `>=3.13`, and `<3.13` and `!=3.13.*` never admit it either. Reading the text belongs to
`constraint_parser.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from attune.core.runtimes.constraint_parser import read_constraint
from attune.core.runtimes.interval import NEVER, Bound, Clause, Truth, order_of
from attune.core.runtimes.version import Version, counts_as_java, modern_java


@dataclass(frozen=True, slots=True)
class Constraint:
    """Alternatives, of which one must hold. `str()` is canonical and parses back to an equal constraint."""

    clauses: tuple[Clause, ...]

    @staticmethod
    def parse(text: str, runtime: str = "") -> "Constraint":
        """Read *text*, which is about the capability *runtime*: of Java, 1.8 is 8.

        Raises `VersionError` with the offset of the fault, what was expected and what was found.
        """
        return _parse(text, counts_as_java(runtime))

    @classmethod
    def of(cls, clauses: Iterable[Clause]) -> "Constraint":
        """The constraint that at least one of *clauses* holds."""
        possible = {clause for clause in clauses if clause != NEVER} or {NEVER}
        return cls(tuple(sorted(possible, key=lambda clause: (*order_of(clause.interval), str(clause)))))

    @property
    def bounds(self) -> list[Bound]:
        """The ends of all its intervals; an end without limit has none."""
        return [bound for clause in self.clauses for bound in clause.interval.bounds]

    @property
    def is_impossible(self) -> bool:
        """Whether its own bounds contradict each other, so that no version can satisfy it."""
        return self.clauses == (NEVER,)

    def check(self, version: Version) -> Truth:
        """Whether *version* satisfies it; unknown where *version* names too few components to tell."""
        truth = Truth.NO
        for clause in self.clauses:
            truth |= clause.check(version)
        return truth

    def __or__(self, other: "Constraint") -> "Constraint":
        return Constraint.of((*self.clauses, *other.clauses))

    def __and__(self, other: "Constraint") -> "Constraint":
        pairs = ((mine, theirs) for mine in self.clauses for theirs in other.clauses)
        return Constraint.of(
            Clause.of((mine.interval, theirs.interval), (*mine.excluded, *theirs.excluded)) for mine, theirs in pairs
        )

    def __str__(self) -> str:
        return " || ".join(map(str, self.clauses))


@lru_cache(maxsize=1024)
def _parse(text: str, java: bool) -> Constraint:
    return Constraint.of(read_constraint(text, modern_java if java else None))
