"""The reasons for which nodes fail one term, grouped: "6 have 18.x, 2 have none", each with the nodes it holds for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from attune.core.durations import coarse
from attune.core.matching.fleet import Capability, Node, first_by_name
from attune.core.matching.term_judgement import AND, Reason, TermFinding
from attune.core.matching.terms import RuntimeTerm
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.version import Version

MAX_NAMED = 10  # nodes that a cause names; its count has them all
_DEPTH = 2  # components of a version that a group of several versions shows at most


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why a term fails or is unknown, and on how many nodes; `nodes` names the first of them."""

    reason: Reason
    truth: Truth
    found: str
    count: int
    nodes: tuple[str, ...]

    def to_data(self) -> dict[str, object]:
        return {
            "reason": self.reason.value,
            "verdict": "fail" if self.truth is Truth.NO else "unknown",
            "found": self.found,
            "count": self.count,
            "nodes": list(self.nodes),
        }


def first_names(nodes: Iterable[Node], limit: int = MAX_NAMED) -> tuple[str, ...]:
    """The first names, w2 before w12."""
    return tuple(node.name for node in first_by_name(nodes, limit))


def causes_of(unmet: Iterable[tuple[TermFinding, Sequence[Node]]]) -> tuple[Cause, ...]:
    """Why a term is not met, from what was found where: failures before unknowns, the most frequent first."""
    groups: dict[tuple[Reason, Truth, str], list[tuple[str, Sequence[Node]]]] = {}
    for finding, nodes in unmet:
        for label, exact, some in _parts(finding, nodes):
            groups.setdefault((finding.reason, finding.truth, label), []).append((exact, some))
    causes = []
    for (reason, truth, label), parts in groups.items():
        texts = {text for text, _ in parts}
        members = [node for _, some in parts for node in some]
        text = texts.pop() if len(texts) == 1 else label
        causes.append(Cause(reason, truth, text, len(members), first_names(members)))
    return tuple(sorted(causes, key=_order))


def _order(cause: Cause) -> tuple[object, ...]:
    first = cause.nodes[0]
    return (cause.truth is not Truth.NO, -cause.count, len(first), first, cause.found)


def _parts(finding: TermFinding, nodes: Sequence[Node]) -> Iterable[tuple[str, str, Sequence[Node]]]:
    """(group, exact finding, nodes) of one profile."""
    if finding.reason is Reason.RUNTIME_UNKNOWN:
        return _undecided(finding.term.name, nodes)
    if finding.reason is Reason.VERSION_IMPRECISE:
        exact = f"{finding.found}, not precise enough"
        return [(exact, exact, nodes)]
    if finding.reason is Reason.VERSION_MISMATCH:
        return [(_series(finding), finding.found, nodes)]
    return [(finding.found, finding.found, nodes)]


def _undecided(name: str, nodes: Sequence[Node]) -> list[tuple[str, str, Sequence[Node]]]:
    """By the reason of the check; what was good last is told of each where it differs."""
    groups: dict[tuple[str, str], list[Node]] = {}
    for node in nodes:
        capability = node.capabilities[name]
        groups.setdefault((capability.reason or "unknown", last_good(capability)), []).append(node)
    return [(why, f"{why}{good}", some) for (why, good), some in groups.items()]


def last_good(capability: Capability) -> str:
    """`, last good 3.12.1 41m ago`, or nothing where it was never good."""
    if capability.last_good_version is None:
        return ""
    ago = "" if capability.last_good_age is None else f" {coarse(capability.last_good_age)} ago"
    return f", last good {capability.last_good_version}{ago}"


def _series(finding: TermFinding) -> str:
    """`18.x` for 18.20.4 where the constraint speaks of whole majors."""
    term = finding.term
    constraint = term.constraint if isinstance(term, RuntimeTerm) else None
    versions = [version for text in finding.found.split(AND) if (version := Version.read(text)) is not None]
    if constraint is None or not versions:
        return finding.found
    depth = min(_DEPTH, max((len(bound.version.release) for bound in constraint.bounds), default=1))
    return ".".join(map(str, max(versions).release[:depth])) + ".x"
