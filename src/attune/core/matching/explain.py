"""Explains where work stands on a fleet: every node counted once, every term on every node."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from attune.core.matching.causes import Cause, causes_of, first_names
from attune.core.matching.explanation import CategoryCount, Explanation, PlacementOutcome, TermRow
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.known_names import KnownNames, near_name
from attune.core.matching.nearest import near_misses
from attune.core.matching.repair.fixes import ChangeKind, RepairChange
from attune.core.matching.repair.search import Repair, repairs_for
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.survey import Category, FleetSurvey, Profile, survey
from attune.core.matching.term_judgement import Reason
from attune.core.matching.terms import RuntimeTerm
from attune.core.runtimes.interval import Truth

NEAREST = 2


def explain(
    requirement: Requirement,
    nodes: Iterable[Node],
    *,
    preferences: Sequence[Preference] = (),
    tolerations: Iterable[str] = (),
    known: KnownNames | None = None,
) -> Explanation:
    """Where *requirement* stands on *nodes*: what `match` decides, with every reason, counted and grouped."""
    fleet = list(nodes)
    requirement = Requirement(requirement.terms, tuple(sorted({*requirement.tolerations, *tolerations})))
    surveyed = survey(requirement, fleet, known=known)
    counts = tuple(_category_count(category, surveyed.profiles) for category in Category)
    able, busy = (count.count for count in counts[:2])
    terms = [*map(str, requirement.terms), *(f"tolerates {taint}" for taint in requirement.tolerations)]
    return Explanation(
        PlacementOutcome.READY if able else PlacementOutcome.WAITING if busy else PlacementOutcome.BLOCKED,
        tuple(terms),
        tuple(str(preference) for preference in preferences),
        len(fleet),
        counts,
        tuple(_term_row(index, surveyed, known) for index in range(len(requirement.terms))),
        tuple(_state_rows(surveyed)),
        () if able else near_misses(surveyed, NEAREST),
        () if able or busy else (*_additions(surveyed.requirement, known), *repairs_for(surveyed)),
    )


def _additions(requirement: Requirement, known: KnownNames | None) -> Iterable[Repair]:
    """The definitions that the catalogue has for undefined terms. How many nodes one admits, checks will say."""
    for term in requirement.terms:
        if isinstance(term, RuntimeTerm) and not term.defined and known is not None and term.name in known.shipped:
            shipped, defined = known.shipped[term.name], replace(term, defined=True)
            yield Repair((RepairChange(ChangeKind.DEFINE, term, defined, shipped=shipped),), 0)


def _category_count(category: Category, profiles: Sequence[Profile]) -> CategoryCount:
    mine = [profile for profile in profiles if profile.category is category]
    names = first_names(node for profile in mine for node in profile.nodes)
    return CategoryCount(category, sum(len(profile.nodes) for profile in mine), names)


def _term_row(index: int, surveyed: FleetSurvey, known: KnownNames | None) -> TermRow:
    term, total = surveyed.requirement.terms[index], len(surveyed.nodes)
    causes = causes_of(surveyed.unmet(index))
    hint = None
    if total and sum(cause.count for cause in causes if cause.reason in _NAME_UNKNOWN) == total:
        hint = near_name(term, surveyed.nodes) if known is None else known.near(term, surveyed.nodes)
    return _row(str(term), total, causes, hint)


def _row(term: str, total: int, causes: tuple[Cause, ...], hint: str | None = None) -> TermRow:
    failed = sum(cause.count for cause in causes if cause.truth is Truth.NO)
    unknown = sum(cause.count for cause in causes) - failed
    return TermRow(term, total - failed - unknown, failed, unknown, causes, hint)


_NAME_UNKNOWN = frozenset({Reason.RUNTIME_UNDEFINED, Reason.RUNTIME_MISSING, Reason.LABEL_MISSING})


def _state_rows(surveyed: FleetSurvey) -> Iterable[TermRow]:
    """Rows of the taints that are in the way and of the nodes that are not in service, where there are any."""
    profiles = surveyed.profiles
    for taint in sorted({taint for profile in profiles for taint in profile.taints}):
        nodes = [node for profile in profiles if taint in profile.taints for node in profile.nodes]
        cause = Cause(Reason.NODE_TAINTED, Truth.NO, "", len(nodes), first_names(nodes))
        yield _row(f"taint {taint}", len(surveyed.nodes), (cause,))
    causes = []
    for status, (reason, truth) in _NOT_IN_SERVICE.items():
        nodes = [node for profile in profiles if profile.nodes[0].status is status for node in profile.nodes]
        if nodes:
            causes.append(Cause(reason, truth, status.value, len(nodes), first_names(nodes)))
    if causes:
        yield _row("in service", len(surveyed.nodes), tuple(causes))


_NOT_IN_SERVICE = {
    NodeStatus.INACTIVE: (Reason.NODE_OUT_OF_SERVICE, Truth.NO),
    NodeStatus.ERROR: (Reason.NODE_OUT_OF_SERVICE, Truth.NO),
    NodeStatus.STARTING: (Reason.NODE_STARTING, Truth.UNKNOWN),
}
