"""Which nodes can do work, best first, and what is in the way on every other node. The specification of matching.

Nodes alike in all that a requirement asks about are judged once (`profiles_of`), which keeps large fleets fast. A
term on its own is judged in `matching_terms.py`; the answer in words is made in `explanation.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from attune.core.constraint import Truth
from attune.core.fleet import Instance, Node, NodeStatus
from attune.core.matching_terms import Finding, chosen_instance, judge, signature_of
from attune.core.requirement import Preference, Requirement


class Category(StrEnum):
    """Where a node stands for one requirement. Every node is in exactly one."""

    ABLE = "able"  # takes the work now
    BUSY = "busy"  # satisfies everything, at its limit
    DRAINING = "draining"  # satisfies everything, takes nothing new
    STALE = "stale"  # satisfied everything when it was last heard of
    REJECTED = "rejected"  # a term fails, a taint is not tolerated, or the node is out of service
    UNDECIDED = "undecided"  # nothing fails, but something is unknown


@dataclass(frozen=True, slots=True)
class Profile:
    """Nodes that no term can tell apart. `findings` has one for each term, made on the first node."""

    findings: tuple[Finding, ...]
    taints: tuple[str, ...]  # those that are not tolerated
    category: Category
    nodes: tuple[Node, ...]
    score: int = 0

    @property
    def truths(self) -> tuple[Truth, ...]:
        return tuple(finding.truth for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that can take the work now; `instances` has the interpreter to use for each runtime asked for."""

    node: Node
    score: int
    instances: Mapping[str, Instance]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A node that cannot take the work now; `unmet` is empty where only its own state is in the way."""

    node: Node
    profile: Profile

    @property
    def category(self) -> Category:
        return self.profile.category

    @property
    def taints(self) -> tuple[str, ...]:
        """The taints that are not tolerated."""
        return self.profile.taints

    @property
    def unmet(self) -> tuple[Finding, ...]:
        """What was found on this node for each term that fails or is unknown."""
        return tuple(judge(found.term, self.node) for found in self.profile.findings if not found.holds)


@dataclass(frozen=True, slots=True)
class Placement:
    """The nodes that can take the work, best first, and the others by name."""

    requirement: Requirement
    eligible: tuple[Candidate, ...]
    others: tuple[Refusal, ...]

    @property
    def best(self) -> Candidate | None:
        return self.eligible[0] if self.eligible else None


def match(
    requirement: Requirement,
    nodes: Iterable[Node],
    *,
    preferences: Sequence[Preference] = (),
    tolerations: Iterable[str] = (),
) -> Placement:
    """Place *requirement* on *nodes*: by weight of the preferences that hold, then load, then name.

    A preference that is unknown counts as one that does not hold. *tolerations* add to those of the requirement.
    """
    eligible: list[Candidate] = []
    others: list[Refusal] = []
    for profile in profiles_of(requirement, nodes, preferences=preferences, tolerations=tolerations):
        if profile.category is Category.ABLE:
            eligible.extend(Candidate(node, profile.score, _instances(profile, node)) for node in profile.nodes)
        else:
            others.extend(Refusal(node, profile) for node in profile.nodes)
    eligible.sort(key=lambda one: (-one.score, one.node.load, one.node.name, one.node.id))
    others.sort(key=lambda one: (one.node.name, one.node.id))
    return Placement(requirement, tuple(eligible), tuple(others))


def profiles_of(
    requirement: Requirement,
    nodes: Iterable[Node],
    *,
    preferences: Sequence[Preference] = (),
    tolerations: Iterable[str] = (),
) -> list[Profile]:
    """*nodes* grouped by what the terms, the preferences and the taints see of them, each group judged once."""
    terms = [*requirement.terms, *(preference.term for preference in preferences)]
    signatures = [signature_of(term) for term in terms]
    groups: dict[object, list[Node]] = {}
    for node in nodes:
        key = (tuple([sign(node) for sign in signatures]), node.status, node.is_full, node.taints)
        group = groups.get(key)
        if group is None:
            groups[key] = [node]
        else:
            group.append(node)
    tolerated = frozenset((*requirement.tolerations, *tolerations))
    return [_profile(requirement, group, preferences, tolerated) for group in groups.values()]


def _profile(
    requirement: Requirement, nodes: list[Node], preferences: Sequence[Preference], tolerated: frozenset[str]
) -> Profile:
    first = nodes[0]
    findings = tuple(judge(term, first) for term in requirement.terms)
    taints = tuple(sorted(first.taints - tolerated))
    score = sum(preference.weight for preference in preferences if judge(preference.term, first).holds)
    return Profile(findings, taints, _category(findings, taints, first), tuple(nodes), score)


_STANDING = {
    NodeStatus.ACTIVE: Category.ABLE,
    NodeStatus.BUSY: Category.BUSY,
    NodeStatus.DRAINING: Category.DRAINING,
    NodeStatus.STALE: Category.STALE,
    NodeStatus.LOST: Category.STALE,
    NodeStatus.STARTING: Category.UNDECIDED,
    NodeStatus.INACTIVE: Category.REJECTED,
    NodeStatus.ERROR: Category.REJECTED,
}


def _category(findings: tuple[Finding, ...], taints: tuple[str, ...], node: Node) -> Category:
    truths = {finding.truth for finding in findings}
    standing = _STANDING[node.status]
    if Truth.NO in truths or taints or standing is Category.REJECTED:
        return Category.REJECTED
    if Truth.UNKNOWN in truths or standing is Category.UNDECIDED:
        return Category.UNDECIDED
    return Category.BUSY if standing is Category.ABLE and node.is_full else standing


def _instances(profile: Profile, node: Node) -> dict[str, Instance]:
    first = profile.nodes[0]
    chosen = {}
    for finding in profile.findings:
        if finding.instance is not None:
            instance = chosen_instance(finding, first.capabilities[finding.term.name], node)
            if instance is not None:
                chosen[finding.term.name] = instance
    return chosen
