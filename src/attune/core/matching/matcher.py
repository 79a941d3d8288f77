"""Which nodes can do work, best first, and what is in the way on every other node. The specification of matching."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attune.core.matching.fleet import Node
from attune.core.matching.known_names import KnownNames
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.survey import Category, Profile, survey
from attune.core.matching.term_judgement import TermFinding, judge
from attune.core.runtimes.verdict import Instance


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that can take the work now, with the weight of the preferences that hold there."""

    node: Node
    score: int
    requirement: Requirement

    @property
    def instances(self) -> Mapping[str, Instance]:
        """The interpreter to use for each runtime asked for: of those that satisfy, the highest version."""
        findings = (judge(term, self.node) for term in self.requirement.terms)
        return {finding.term.name: finding.instance for finding in findings if finding.instance is not None}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A node that cannot take the work now; `unmet` is empty where only its own state is in the way."""

    node: Node
    profile: Profile

    @property
    def category(self) -> Category:
        """Where the node stands."""
        return self.profile.category

    @property
    def taints(self) -> tuple[str, ...]:
        """The taints that are not tolerated."""
        return self.profile.taints

    @property
    def unmet(self) -> tuple[TermFinding, ...]:
        """What was found on this node for each term that fails or is unknown."""
        return tuple(judge(finding.term, self.node) for finding in self.profile.findings if not finding.holds)


@dataclass(frozen=True, slots=True)
class Placement:
    """The nodes that can take the work, best first, and the others by name."""

    requirement: Requirement
    eligible: tuple[Candidate, ...]
    others: tuple[Refusal, ...]

    @property
    def best(self) -> Candidate | None:
        """The node to take; None where no node can."""
        return self.eligible[0] if self.eligible else None


def match(
    requirement: Requirement,
    nodes: Iterable[Node],
    *,
    preferences: Sequence[Preference] = (),
    tolerations: Iterable[str] = (),
    known: KnownNames | None = None,
) -> Placement:
    """Place work: by weight of the preferences that hold, then load, then name. *tolerations* add to its own.

    A runtime term with a name that is not *known* is unknown on every node; without *known*, every name is known.
    """
    eligible: list[Candidate] = []
    others: list[Refusal] = []
    surveyed = survey(requirement, nodes, preferences=preferences, tolerations=tolerations, known=known)
    for profile in surveyed.profiles:
        if profile.category is Category.ABLE:
            eligible.extend(Candidate(node, profile.score, requirement) for node in profile.nodes)
        else:
            others.extend(Refusal(node, profile) for node in profile.nodes)
    eligible.sort(key=lambda candidate: (-candidate.score, candidate.node.load, candidate.node.name, candidate.node.id))
    others.sort(key=lambda candidate: (candidate.node.name, candidate.node.id))
    return Placement(requirement, tuple(eligible), tuple(others))
