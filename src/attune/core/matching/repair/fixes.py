"""What could cure one fault of a node: a change of the node, or of what the work asks for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from attune.core.errors import RequirementError
from attune.core.matching.fleet import Capability, Node, NodeStatus, first_by_name
from attune.core.matching.nearest import Distance, distance, instances_of
from attune.core.matching.repair.widen import relaxed, satisfying_version
from attune.core.matching.requirement import Requirement
from attune.core.matching.survey import Profile
from attune.core.matching.term_judgement import Reason, TermFinding
from attune.core.matching.terms import NumberTerm, RuntimeTerm, Term
from attune.core.nodes.labels import FACTS, number
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.verdict import Instance, Status


class ChangeKind(StrEnum):
    """What is changed; repairs are told in this order."""

    DEFINE = "define"  # add the definition of a runtime that the catalogue has
    RESUME = "resume"  # let a draining node take work again
    RELAX = "relax"  # ask for less in one term
    TOLERATE = "tolerate"  # a taint
    DROP = "drop"  # a term
    INSTALL = "install"  # a runtime on a node, or another version of it
    HEAL = "heal"  # give a degraded node what it says it lacks: a folder, space, descriptors
    RECONNECT = "reconnect"  # bring a node back that is not heard of
    START = "start"  # start a node again that has left


@dataclass(frozen=True, slots=True)
class RepairChange:
    """One change: of the node `node_id`, or (None) of the requirement.

    `term` is the term it is about, `replacement` what that becomes (None: nothing, it goes). `installed` is what
    `install` adds; its version stands for any that satisfies. `shipped` is what `define` asks the catalogue for.
    """

    kind: ChangeKind
    term: Term | None = None
    replacement: Term | None = None
    taint: str | None = None
    node_id: int | None = None
    node: str | None = None
    installed: Capability | None = None
    shipped: str | None = None

    def apply(self, requirement: Requirement, nodes: Iterable[Node]) -> tuple[Requirement, list[Node]]:
        """The requirement and the fleet after the change; the arguments stay as they are."""
        if self.node_id is not None:
            return requirement, [self._changed(node) if node.id == self.node_id else node for node in nodes]
        terms: list[Term] = [term for term in requirement.terms if term != self.term]
        if self.replacement is not None:
            terms.append(self.replacement)
        taints = [self.taint] if self.taint is not None else []
        return Requirement.of(terms, (*requirement.tolerations, *taints)), list(nodes)

    def _changed(self, node: Node) -> Node:
        if self.installed is None:
            return replace(node, status=NodeStatus.ACTIVE)
        old = node.capabilities.get(self.installed.name)
        kept = old.instances if old is not None and old.status.offered else ()
        new = replace(self.installed, instances=(*kept, *self.installed.instances))
        return replace(node, capabilities={**node.capabilities, new.name: new})

    def to_data(self) -> dict[str, object]:
        data: dict[str, object] = {"kind": self.kind.value, "text": str(self), "node": self.node, "taint": self.taint}
        terms = {"term": self.term, "replacement": self.replacement}
        return data | {key: None if term is None else str(term) for key, term in terms.items()}

    def __str__(self) -> str:
        if self.kind is ChangeKind.DEFINE:
            return f"attune runtime add --from-catalogue {self.shipped}"
        if self.kind is ChangeKind.RELAX:
            return str(self.replacement)
        if self.kind is ChangeKind.DROP:
            return f"without {self.term}"
        if self.kind is ChangeKind.TOLERATE:
            return f"tolerate {self.taint}"
        return f"{self.term} on {self.node}" if self.kind is ChangeKind.INSTALL else f"{self.kind.value} {self.node}"


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change that could cure a fault, and how far it reaches; `direction` tells apart the ways to relax a term."""

    change: RepairChange
    distance: Distance
    direction: str = ""


def fixes_for(requirement: Requirement, profile: Profile, limit: int) -> list[list[Remedy]]:
    """The cures for each fault of *profile*, on its first *limit* nodes; empty where a fault has none."""
    first = profile.nodes[0]
    cures: list[list[Remedy]] = []
    if first.status is not NodeStatus.ACTIVE:
        kind = _REVIVED.get(first.status)
        if kind is None:
            return []
        revivals = [RepairChange(kind, node_id=node.id, node=node.name) for node in first_by_name(profile.nodes, limit)]
        cures.append([Remedy(change, (0, ())) for change in revivals])
    if first.is_full:
        return []
    cures.extend([[Remedy(RepairChange(ChangeKind.TOLERATE, taint=taint), (1, ()))] for taint in profile.taints])
    cures.extend([list(_for_term(finding, profile, limit)) for finding in profile.findings if not finding.holds])
    possible = [[remedy for remedy in fixes if _fits(requirement, remedy.change)] for fixes in cures]
    return possible if all(possible) else []


_REVIVED = {
    NodeStatus.DRAINING: ChangeKind.RESUME,
    NodeStatus.DEGRADED: ChangeKind.HEAL,
    NodeStatus.STALE: ChangeKind.RECONNECT,
    NodeStatus.LOST: ChangeKind.RECONNECT,
    NodeStatus.INACTIVE: ChangeKind.START,
}


def _fits(requirement: Requirement, change: RepairChange) -> bool:
    """Whether what is asked for can still be written down."""
    try:
        change.apply(requirement, ())
    except RequirementError:
        return False
    return True


def _for_term(finding: TermFinding, profile: Profile, limit: int) -> Iterator[Remedy]:
    term = finding.term
    if isinstance(term, NumberTerm) and finding.truth is Truth.NO:
        value = number(finding.found)
        if value is not None and value >= 0 and round(value, 3) == value and term.operator in _TOWARDS:
            change = RepairChange(ChangeKind.RELAX, term, NumberTerm(term.name, _TOWARDS[term.operator], value))
            yield Remedy(change, (0, (int(abs(term.value - value) * 1000),)), "number")
            return
    if not isinstance(term, RuntimeTerm) or term.negated or finding.reason is Reason.FACT_UNKNOWN:
        yield Remedy(RepairChange(ChangeKind.DROP, term), (1, ()))
        return
    if not term.defined:
        return
    yield from _relaxations(term, finding, profile.nodes[0])
    if finding.reason is not Reason.LABEL_DIFFERS and term.name not in FACTS:
        yield from _installations(term, finding, profile, limit)


_TOWARDS = {">=": ">=", ">": ">=", "<=": "<=", "<": "<="}


def _relaxations(term: RuntimeTerm, finding: TermFinding, node: Node) -> Iterator[Remedy]:
    if finding.reason is Reason.NOT_VERIFIED:
        yield Remedy(RepairChange(ChangeKind.RELAX, term, replace(term, verified=False)), (0, ()), "verified")
    if term.constraint is None:
        return
    lower = term.constraint.clauses[0].interval.lower
    for instance in instances_of(finding, node):
        version = instance.parsed
        wider = relaxed(term.constraint, version) if version is not None else None
        if version is not None and wider is not None:
            below = lower is not None and lower.is_under(version) is Truth.NO
            change = RepairChange(ChangeKind.RELAX, term, replace(term, constraint=wider))
            yield Remedy(change, distance(finding, [instance]), "below" if below else "above")


def _installations(term: RuntimeTerm, finding: TermFinding, profile: Profile, limit: int) -> Iterator[Remedy]:
    version = satisfying_version(term.constraint)
    if version is None:
        return
    installed = Capability(term.name, Status.AVAILABLE, (Instance(version),), "installed")
    far = distance(finding, instances_of(finding, profile.nodes[0]))
    for node in first_by_name(profile.nodes, limit):
        yield Remedy(RepairChange(ChangeKind.INSTALL, term, node_id=node.id, node=node.name, installed=installed), far)
