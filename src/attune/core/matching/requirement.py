"""What work needs of a node: terms that must all hold, preferences that only rank.

`Requirement.parse` reads `python >=3.9,<4; node ^20.1; !docker; zone=eu; arch in (x86_64, aarch64)`: terms are
separated by `;` or a new line. `str()` is canonical and parses back to an equal requirement.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from attune.core.errors import RequirementError
from attune.core.matching.requirement_parser import MAX_LENGTH, read_preference, read_requirement
from attune.core.matching.terms import NumberTerm, RuntimeTerm, Term, quoted

_MAX_ALTERNATIVES = 64
_MAX_CONSTRAINT = 1000
_PREFERS = "\nprefers "


@dataclass(frozen=True, slots=True)
class Requirement:
    """Terms that must all hold on one node, and the taints it tolerates. Without terms any node will do (`*`).

    Build one with `parse` or `of`: they sort, drop duplicates and join the terms on one runtime, so that equal
    needs are equal values.
    """

    terms: "tuple[Term, ...]" = ()
    tolerations: tuple[str, ...] = ()

    @staticmethod
    def parse(source: str | Iterable[str]) -> "Requirement":
        """Read one text, or several of them. Raises `RequirementError`, whatever *source* is."""
        return Requirement.of(*read_requirement(source))

    @classmethod
    def of(cls, terms: "Iterable[Term]", tolerations: Iterable[str] = ()) -> "Requirement":
        """The canonical requirement of *terms*. Raises `RequirementError` where they contradict or grow too long."""
        requirement = cls(tuple(sorted(_joined(terms), key=_order)), tuple(sorted(set(tolerations))))
        text = str(requirement)
        if len(text) > MAX_LENGTH:
            got = f"{len(text)} in canonical form"
            raise RequirementError(text, MAX_LENGTH, f"at most {MAX_LENGTH} characters", got)
        return requirement

    @property
    def queue(self) -> str:
        """The queue of work that prefers nothing; equal for equal needs, however they were written."""
        return RequirementClass(self).queue

    def __str__(self) -> str:
        parts = [*map(str, self.terms), *(f"tolerates {quoted(taint)}" for taint in self.tolerations)]
        return "; ".join(parts) or "*"


@dataclass(frozen=True, slots=True)
class Preference:
    """A term that ranks nodes: those where it holds get `weight`, which is negative to avoid them."""

    term: "Term"
    weight: int = 1

    @staticmethod
    def parse(text: str) -> "Preference":
        """Read `zone=eu` or `zone=eu *5` (a weight from -100 to 100, not 0). Raises `RequirementError`."""
        return Preference(*read_preference(text))

    def __str__(self) -> str:
        return str(self.term) if self.weight == 1 else f"{self.term} *{self.weight}"


@dataclass(frozen=True, slots=True)
class RequirementClass:
    """What work needs, and which nodes it prefers: all work that is equal in both has one queue."""

    requirement: Requirement
    preferences: tuple[Preference, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "RequirementClass":
        """Read what `str()` writes: a requirement, and a line for each preference. Raises `RequirementError`."""
        needs, *wishes = text.split(_PREFERS)
        return cls(Requirement.parse(needs), tuple(map(Preference.parse, wishes)))

    @property
    def queue(self) -> str:
        """The queue that only nodes able to satisfy the requirement read."""
        return f"cap-{sha256(str(self).encode()).hexdigest()[:32]}"

    def __str__(self) -> str:
        return _PREFERS.join([str(self.requirement), *map(str, self.preferences)])


def _order(term: "Term") -> tuple[int, str, str]:
    """Where *term* stands in the canonical form."""
    if isinstance(term, RuntimeTerm):
        return (int(term.negated), term.name, str(term))
    return (2 if isinstance(term, NumberTerm) else 3, term.name, str(term))


def _joined(terms: "Iterable[Term]") -> "set[Term]":
    """*terms* with all that one runtime must satisfy in one term, for one interpreter has to satisfy it all."""
    wanted: dict[str, RuntimeTerm] = {}
    others: set[Term] = set()
    for term in terms:
        if not isinstance(term, RuntimeTerm) or term.negated:
            others.add(term)
        elif term.name in wanted:
            wanted[term.name] = _both(wanted[term.name], term)
        else:
            wanted[term.name] = term
    return others | set(wanted.values())


def _both(term: RuntimeTerm, other: RuntimeTerm) -> RuntimeTerm:
    constraint = term.constraint or other.constraint
    text = f"{term}; {other}"
    if term.constraint is not None and other.constraint is not None and term.constraint != other.constraint:
        if len(term.constraint.clauses) * len(other.constraint.clauses) > _MAX_ALTERNATIVES:
            raise RequirementError(text, len(str(term)) + 2, "fewer alternatives of one runtime", "too many to combine")
        constraint = term.constraint & other.constraint
    if constraint is not None and constraint.is_impossible:
        got = f"bounds for {term.name} that contradict each other"
        raise RequirementError(text, len(str(term)) + 2, "versions that can exist", got)
    if len(str(constraint)) > _MAX_CONSTRAINT:
        raise RequirementError(text, 0, f"at most {_MAX_CONSTRAINT} characters of versions for {term.name}", "more")
    return RuntimeTerm(term.name, constraint, verified=term.verified or other.verified)
