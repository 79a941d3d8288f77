"""Every term judged on every node, without judging two nodes alike twice.

A term sees little of a node (`signature_of`), and a fleet repeats itself: each distinct view is judged once. Nodes
are then grouped by what their terms came to. That is what keeps 100,000 nodes under a second.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import repeat

from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.known_names import KnownNames
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.term_judgement import Reason, TermFinding, judge, signature_of
from attune.core.matching.terms import Term
from attune.core.runtimes.interval import Truth


class Category(StrEnum):
    """Where a node stands for one requirement. Every node is in exactly one."""

    ABLE = "able"  # takes the work now
    BUSY = "busy"  # satisfies everything, at its limit
    DRAINING = "draining"  # satisfies everything, takes nothing new
    DEGRADED = "degraded"  # satisfies everything, has no place to run it
    STALE = "stale"  # satisfied everything when it was last heard of, which is a while ago
    GONE = "gone"  # has left or is lost, whatever it had
    REJECTED = "rejected"  # a term fails, a taint is not tolerated, or the node is out of service
    UNDECIDED = "undecided"  # nothing fails, but something is unknown


@dataclass(frozen=True, slots=True)
class Profile:
    """Nodes that stand alike, and what each term found on the first; refined, they differ in paths and reasons only."""

    findings: tuple[TermFinding, ...]
    taints: tuple[str, ...]  # those that are not tolerated
    category: Category
    nodes: tuple[Node, ...]
    positions: tuple[int, ...]  # of the nodes in the survey
    score: int = 0

    @property
    def faults(self) -> int:
        """How many terms fail or are unknown and how many taints are not tolerated."""
        return len(self.taints) + sum(not finding.holds for finding in self.findings)

    @property
    def is_hopeless(self) -> bool:
        """Whether none of the nodes takes the work as it is, were it free and heard of."""
        if self.category is Category.GONE:
            return bool(self.faults) or self.nodes[0].status is NodeStatus.INACTIVE
        return self.category is Category.REJECTED


@dataclass(frozen=True, slots=True)
class TermColumn:
    """One term on all nodes: node number n came to `findings[which[n]]`."""

    findings: Sequence[TermFinding]
    which: Sequence[int]


@dataclass(frozen=True, slots=True)
class FleetSurvey:
    """A requirement on a fleet: one column for each of its terms, and the nodes grouped."""

    requirement: Requirement
    nodes: Sequence[Node]
    columns: tuple[TermColumn, ...]
    profiles: tuple[Profile, ...]

    def unmet(self, index: int) -> Iterable[tuple[TermFinding, list[Node]]]:
        """What term number *index* came to where it fails or is unknown, and the nodes."""
        column = self.columns[index]
        groups: list[list[Node]] = [[] for _ in column.findings]
        for node, which in zip(self.nodes, column.which, strict=True):
            groups[which].append(node)
        return ((finding, some) for finding, some in zip(column.findings, groups, strict=True) if not finding.holds)

    def refined(self, profiles: Iterable[Profile]) -> list[Profile]:
        """*profiles* split until the nodes of each show the same to every term: also the same versions."""
        fine: list[Profile] = []
        for profile in profiles:
            rows = zip(*([column.which[at] for at in profile.positions] for column in self.columns), strict=True)
            for group in _grouped(zip(profile.positions, rows if self.columns else repeat(()), strict=False)):
                findings = tuple([column.findings[column.which[group[0]]] for column in self.columns])
                nodes = tuple([self.nodes[at] for at in group])
                fine.append(replace(profile, findings=findings, nodes=nodes, positions=tuple(group)))
        return fine


def survey(
    requirement: Requirement,
    nodes: Iterable[Node],
    *,
    preferences: Sequence[Preference] = (),
    tolerations: Iterable[str] = (),
    known: KnownNames | None = None,
) -> FleetSurvey:
    """Judge *requirement* on *nodes*, whose ids differ. Profiles are in the order of their first nodes."""
    fleet = list(nodes)
    if known is not None:
        requirement = replace(requirement, terms=tuple(known.marked(term, fleet) for term in requirement.terms))
        preferences = [replace(wish, term=known.marked(wish.term, fleet)) for wish in preferences]
    columns = tuple(_column(term, fleet) for term in requirement.terms)
    ranking = [_column(preference.term, fleet) for preference in preferences]
    states = [(node.status, node.is_full, node.taints) for node in fleet]
    keys = zip(states, *(_coarse(column) for column in (*columns, *ranking)), strict=True)
    tolerated = frozenset((*requirement.tolerations, *tolerations))
    profiles = []
    for group in _grouped(enumerate(keys)):
        first = fleet[group[0]]
        findings = tuple(column.findings[column.which[group[0]]] for column in columns)
        holding = (column.findings[column.which[group[0]]].holds for column in ranking)
        score = sum(preference.weight for preference, holds in zip(preferences, holding, strict=True) if holds)
        taints = tuple(sorted(first.taints - tolerated))
        members = tuple([fleet[position] for position in group])
        category = _category(findings, taints, first)
        profiles.append(Profile(findings, taints, category, members, tuple(group), score))
    return FleetSurvey(requirement, fleet, columns, tuple(profiles))


def _grouped(keyed: Iterable[tuple[int, object]]) -> Iterable[list[int]]:
    """The positions that share a key."""
    groups: defaultdict[object, list[int]] = defaultdict(list)
    for position, key in keyed:
        groups[key].append(position)
    return groups.values()


def _column(term: Term, nodes: Sequence[Node]) -> TermColumn:
    signature = signature_of(term)
    numbers: dict[object, int] = {}
    findings: list[TermFinding] = []
    which: list[int] = []
    for node in nodes:
        key = signature(node)
        number = numbers.get(key)
        if number is None:
            number = numbers[key] = len(findings)
            findings.append(judge(term, node))
        which.append(number)
    return TermColumn(findings, which)


_REASONS = {reason: index for index, reason in enumerate(Reason)}


def _coarse(column: TermColumn) -> list[int]:
    codes = [finding.truth.value * len(_REASONS) + _REASONS[finding.reason] for finding in column.findings]
    return [codes[number] for number in column.which]


_BY_STATUS = {
    NodeStatus.ACTIVE: Category.ABLE,
    NodeStatus.BUSY: Category.BUSY,
    NodeStatus.DRAINING: Category.DRAINING,
    NodeStatus.DEGRADED: Category.DEGRADED,
    NodeStatus.STALE: Category.STALE,
    NodeStatus.LOST: Category.GONE,
    NodeStatus.STARTING: Category.UNDECIDED,
    NodeStatus.INACTIVE: Category.GONE,
    NodeStatus.ERROR: Category.REJECTED,
}


def _category(findings: Sequence[TermFinding], taints: Sequence[str], node: Node) -> Category:
    truths = {finding.truth for finding in findings}
    category = _BY_STATUS[node.status]
    if category is Category.GONE:
        return category
    if Truth.NO in truths or taints or category is Category.REJECTED:
        return Category.REJECTED
    if Truth.UNKNOWN in truths or category is Category.UNDECIDED:
        return Category.UNDECIDED
    return Category.BUSY if category is Category.ABLE and node.is_full else category
