"""Why work runs or does not run on a fleet, as data: every node counted once, every term on every node.

`explain` gathers it; `explanation_text.py` says it in words. Grouping of reasons is in `causes.py`, the
nearest misses in `nearest.py`, what would help in `repair/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from attune.core.matching.causes import Cause, causes_of, first_names, names_in
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.nearest import NearMiss, near_misses
from attune.core.matching.repair.search import Repair, repairs_for
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.survey import Category, FleetSurvey, Profile, survey
from attune.core.matching.term_judgement import Reason
from attune.core.nodes.labels import FACTS
from attune.core.runtimes.aliases import nearest as nearest_name
from attune.core.runtimes.constraint import Truth

NEAREST = 2
_SAMPLED = 1000  # nodes whose names are searched for what a misspelt one may have meant


class PlacementOutcome(StrEnum):
    """What becomes of the work."""

    READY = "ready"  # a node can take it now
    WAITING = "waiting"  # nodes can do it, all of them at their limit
    BLOCKED = "blocked"  # no node can do it


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long the work has waited and what its policy (`wait`, `fail`, `cancel`) makes of it. In seconds."""

    seconds: float
    policy: str = "wait"
    deadline_in: float | None = None


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """How many nodes stand in one category; `nodes` names the first of them."""

    category: Category
    count: int
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TermRow:
    """One term on the whole fleet: the three counts sum to it. `hint` names what a misspelt name may have meant.

    What no term asks for, but every node must fulfil, has such a row too: `taint gpu-only` and `in service`.
    """

    term: str
    passed: int
    failed: int
    unknown: int
    causes: tuple[Cause, ...]
    hint: str | None = None

    def to_data(self) -> dict[str, object]:
        return {
            "term": self.term,
            "pass": self.passed,
            "fail": self.failed,
            "unknown": self.unknown,
            "causes": [cause.to_data() for cause in self.causes],
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say. The categories sum to `total`, and so does every row. `str()` says it in words."""

    outcome: PlacementOutcome
    needs: tuple[str, ...]
    prefers: tuple[str, ...]
    total: int
    fleet: tuple[CategoryCount, ...]
    terms: tuple[TermRow, ...]
    states: tuple[TermRow, ...]
    nearest: tuple[NearMiss, ...]
    repairs: tuple[Repair, ...]
    waiting: Waiting | None = None
    history: str | None = None

    def count(self, category: Category) -> int:
        """How many nodes stand in *category*."""
        return next(one.count for one in self.fleet if one.category is category)

    def to_data(self) -> dict[str, object]:
        """The explanation as JSON has it."""
        waiting = self.waiting
        return {
            "outcome": self.outcome.value,
            "waiting": waiting
            and {"seconds": waiting.seconds, "policy": waiting.policy, "deadline_in_seconds": waiting.deadline_in},
            "needs": list(self.needs),
            "prefers": list(self.prefers),
            "total": self.total,
            "fleet": {one.category.value: {"count": one.count, "nodes": list(one.nodes)} for one in self.fleet},
            "terms": [row.to_data() for row in self.terms],
            "states": [row.to_data() for row in self.states],
            "nearest": [miss.to_data() for miss in self.nearest],
            "repairs": [repair.to_data() for repair in self.repairs],
            "history": self.history,
        }

    def __str__(self) -> str:
        from attune.core.matching.explanation_text import as_text

        return as_text(self)


def explain(
    requirement: Requirement,
    nodes: Iterable[Node],
    *,
    preferences: Sequence[Preference] = (),
    tolerations: Iterable[str] = (),
) -> Explanation:
    """Where *requirement* stands on *nodes*: what `match` decides, with every reason, counted and grouped."""
    fleet = list(nodes)
    requirement = Requirement(requirement.terms, tuple(sorted({*requirement.tolerations, *tolerations})))
    surveyed = survey(requirement, fleet)
    counts = tuple(_category_count(category, surveyed.profiles) for category in Category)
    able, busy = (one.count for one in counts[:2])
    terms = [*map(str, requirement.terms), *(f"tolerates {taint}" for taint in requirement.tolerations)]
    return Explanation(
        PlacementOutcome.READY if able else PlacementOutcome.WAITING if busy else PlacementOutcome.BLOCKED,
        tuple(terms),
        tuple(str(preference) for preference in preferences),
        len(fleet),
        counts,
        tuple(_term_row(index, surveyed) for index in range(len(requirement.terms))),
        tuple(_state_rows(surveyed)),
        () if able else near_misses(surveyed, NEAREST),
        () if able or busy else repairs_for(surveyed),
    )


def with_context(
    explanation: Explanation, *, waiting: Waiting | None = None, history: str | None = None
) -> Explanation:
    """*explanation* with how long the work has waited, and a sentence on when it was last placeable."""
    return replace(explanation, waiting=waiting, history=history)


def _category_count(category: Category, profiles: Sequence[Profile]) -> CategoryCount:
    mine = [profile for profile in profiles if profile.category is category]
    names = first_names(node for profile in mine for node in profile.nodes)
    return CategoryCount(category, sum(len(profile.nodes) for profile in mine), names)


def _term_row(index: int, surveyed: FleetSurvey) -> TermRow:
    term, total = surveyed.requirement.terms[index], len(surveyed.nodes)
    causes = causes_of(surveyed.unmet(index))
    failed = sum(cause.count for cause in causes if cause.truth is Truth.NO)
    unknown = sum(cause.count for cause in causes if cause.truth is Truth.UNKNOWN)
    hint = None
    if total and sum(cause.count for cause in causes if cause.reason in _NAME_UNKNOWN) == total:
        known = names_in(surveyed.nodes[:_SAMPLED]) | set(FACTS)
        hint = nearest_name(term.name, sorted(known - {term.name}))
    return TermRow(str(term), total - failed - unknown, failed, unknown, causes, hint)


_NAME_UNKNOWN = frozenset({Reason.RUNTIME_MISSING, Reason.LABEL_MISSING})


def _state_rows(surveyed: FleetSurvey) -> Iterable[TermRow]:
    """Rows of the taints that are in the way and of the nodes that are not in service, where there are any."""
    profiles = surveyed.profiles
    for taint in sorted({taint for profile in profiles for taint in profile.taints}):
        nodes = [node for profile in profiles if taint in profile.taints for node in profile.nodes]
        cause = Cause(Reason.NODE_TAINTED, Truth.NO, "", len(nodes), first_names(nodes))
        yield TermRow(f"taint {taint}", len(surveyed.nodes) - len(nodes), len(nodes), 0, (cause,))
    causes = tuple(_out_of_service(profiles))
    failed = sum(cause.count for cause in causes if cause.truth is Truth.NO)
    unknown = sum(cause.count for cause in causes) - failed
    if causes:
        yield TermRow("in service", len(surveyed.nodes) - failed - unknown, failed, unknown, causes)


def _out_of_service(profiles: Sequence[Profile]) -> Iterable[Cause]:
    for status, reason in _NOT_IN_SERVICE.items():
        nodes = [node for profile in profiles if profile.nodes[0].status is status for node in profile.nodes]
        if nodes:
            truth = Truth.UNKNOWN if reason is Reason.NODE_STARTING else Truth.NO
            yield Cause(reason, truth, status.value, len(nodes), first_names(nodes))


_NOT_IN_SERVICE = {
    NodeStatus.INACTIVE: Reason.NODE_OUT_OF_SERVICE,
    NodeStatus.ERROR: Reason.NODE_OUT_OF_SERVICE,
    NodeStatus.STARTING: Reason.NODE_STARTING,
}
