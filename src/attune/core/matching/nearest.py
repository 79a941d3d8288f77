"""The nodes that lack least, and how far a version is from being admitted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import nsmallest

from attune.core.durations import coarse
from attune.core.matching.fleet import Node, first_by_name
from attune.core.matching.survey import Category, FleetSurvey, Profile
from attune.core.matching.term_judgement import Reason, TermFinding, judge
from attune.core.matching.terms import RuntimeTerm
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.verdict import Instance, Status
from attune.core.runtimes.version import Version

Distance = tuple[int, tuple[int, ...]]
_NEAREST: Distance = (0, ())
_COMPONENTS = 3
_NOT_THERE = frozenset({Reason.RUNTIME_UNAVAILABLE, Reason.RUNTIME_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Miss:
    """One term that a near miss does not meet: what was found, where, how long ago (seconds) and by which command."""

    term: str
    name: str
    reason: Reason
    found: str
    path: str | None = None
    age: float | None = None
    evidence: str = ""

    def to_data(self) -> dict[str, object]:
        return {
            "term": self.term,
            "reason": self.reason.value,
            "found": self.found,
            "path": self.path,
            "age_seconds": self.age,
            "evidence": self.evidence or None,
        }

    def __str__(self) -> str:
        text = f"{self.found} at {self.path}" if self.path else self.found
        if self.evidence:
            ago = f" {coarse(self.age)} ago" if self.age is not None else ""
            verb = "checked" if self.reason in _NOT_THERE else "verified"
            text += f", {verb}{ago} by `{self.evidence}`"
        return text


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A rejected node that lacks little: the terms that fail there and the taints that are not tolerated."""

    node: str
    misses: tuple[Miss, ...]
    taints: tuple[str, ...] = ()

    def to_data(self) -> dict[str, object]:
        return {"node": self.node, "misses": [miss.to_data() for miss in self.misses], "taints": list(self.taints)}

    def __str__(self) -> str:
        lacking = [miss.name for miss in self.misses]
        details = [str(miss) if len(lacking) == 1 else f"{miss.name} {miss}" for miss in self.misses]
        details += [f"taint {taint} is not tolerated" for taint in self.taints]
        if not lacking:
            return f"{self.node}: only {'; '.join(details)}"
        verb = "fails" if len(lacking) == 1 else "fail"
        only = "only " if not self.taints else ""
        return f"{self.node}: {only}{' and '.join(lacking)} {verb}, {'; '.join(details)}"


def near_misses(surveyed: FleetSurvey, limit: int) -> tuple[NearMiss, ...]:
    """The rejected nodes with the fewest faults; of equals those whose version is nearest, then by name."""
    rejected = [profile for profile in surveyed.profiles if profile.category is Category.REJECTED and profile.faults]
    fewest = min((profile.faults for profile in rejected), default=0)
    fine = surveyed.refined(profile for profile in rejected if profile.faults == fewest)
    best = nsmallest(limit, fine, key=nearness())
    named = [(profile, node) for profile in best for node in first_by_name(profile.nodes, limit)]
    return tuple(_near_miss(profile, node) for profile, node in named[:limit])


def _near_miss(profile: Profile, node: Node) -> NearMiss:
    misses = [_miss(judge(finding.term, node), node) for finding in profile.findings if not finding.holds]
    return NearMiss(node.name, tuple(misses), profile.taints)


def distance(finding: TermFinding, instances: Sequence[Instance]) -> Distance:
    """How far a fault is from being none, as a sort key: an old version is nearer than no runtime at all."""
    term = finding.term
    if not isinstance(term, RuntimeTerm) or term.negated or term.constraint is None:
        return (1, ())
    if finding.truth is Truth.UNKNOWN:
        return (3, ())
    bounds = term.constraint.bounds
    versions = [version for instance in instances if (version := instance.parsed) is not None]
    gaps = [min((_apart(version, bound.version) for bound in bounds), default=()) for version in versions]
    return (0, min(gaps)) if gaps else (2, ())


def _apart(version: Version, other: Version) -> tuple[int, ...]:
    """By component, the first that differs first: 18.20 is nearer to 20 than 18.2 is."""
    higher, lower = sorted((_padded(version), _padded(other)), reverse=True)
    return tuple(a - b for a, b in zip(higher, lower, strict=True))


def _padded(version: Version) -> tuple[int, ...]:
    release = version.release[:_COMPONENTS]
    return release + (0,) * (_COMPONENTS - len(release))


def nearness() -> Callable[[Profile], tuple[object, ...]]:
    """A sort key for profiles of one survey: how little their nodes lack, first by version, then by room and name."""
    seen: dict[int, Distance] = {}

    def key(profile: Profile) -> tuple[object, ...]:
        farthest = _NEAREST
        for finding in profile.findings:
            if not finding.holds:
                far = seen.get(id(finding))
                if far is None:
                    far = seen[id(finding)] = distance(finding, instances_of(finding, profile.nodes[0]))
                farthest = max(farthest, far)
        name = min([(len(node.name), node.name) for node in profile.nodes])
        return (farthest, profile.nodes[0].is_full, name)

    return key


def instances_of(finding: TermFinding, node: Node) -> tuple[Instance, ...]:
    """What the term of *finding* was compared with on *node*."""
    if finding.reason is Reason.LABEL_DIFFERS:
        return (Instance(finding.found),)
    capability = node.capabilities.get(finding.term.name)
    return capability.instances if capability is not None and capability.status.offered else ()


def _miss(finding: TermFinding, node: Node) -> Miss:
    term = finding.term
    capability = node.capabilities.get(term.name) if isinstance(term, RuntimeTerm) else None
    if capability is None:
        return Miss(str(term), term.name, finding.reason, finding.found)
    offered = capability.status.offered
    path = next((instance.path for instance in capability.instances if instance.path), None) if offered else None
    text = finding.found if offered else capability.reason or finding.found
    proven = capability.status is Status.AVAILABLE or not offered
    evidence, age = (capability.evidence, capability.age) if proven else ("", None)
    return Miss(str(term), term.name, finding.reason, text, path, age, evidence)
