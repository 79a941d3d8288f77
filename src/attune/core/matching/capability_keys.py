"""What nodes offer, as keys that many of them share, and which keys a node must have for a requirement, and which not.

An index and a query find nodes by them. `judge` decides, once for each distinct key that a term could mean; there are
few, however many nodes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from attune.core.matching.fleet import Capability, Node
from attune.core.matching.term_judgement import judge
from attune.core.matching.terms import LabelTerm, RuntimeTerm, Term
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.verdict import Instance, Status

RUNTIME, LABEL, HAS_LABEL, TAINT = "runtime", "label", "has_label", "taint"
_CACHED = "cached"  # stands for the status of what is available by an earlier check, and not verified again yet
_NOBODY = Node(0, "")
_NEUTRAL = "runtime"  # a name that is no fact, so that only the capability is judged

Holders = TypeVar("Holders")
Known = Mapping[tuple[str, str], Mapping[tuple[str, str], Holders]]
"""What stands for the nodes that have a key: by its kind and name, then by its value and status."""


class Key(NamedTuple):
    """One thing that a requirement can ask about a node."""

    kind: str
    name: str
    value: str = ""
    status: str = ""


def keys_of(node: Node, spelt: Callable[[str], str] = str) -> set[Key]:
    """Everything that a requirement can ask about *node*, but for its status and its load; texts as *spelt*."""
    keys = {Key(TAINT, spelt(taint)) for taint in node.taints}
    for name, value in node.labels.items():
        keys |= {Key(LABEL, spelt(name), spelt(value)), Key(HAS_LABEL, spelt(name))}
    for name, capability in node.capabilities.items():
        # A version that is not known decides as little as an interpreter that is missing.
        versions: Iterable[str | None] = [""]
        if capability.status.offered and capability.instances:
            versions = [instance.version for instance in capability.instances]
        status = _CACHED if capability.cached else capability.status.value
        keys.update(Key(RUNTIME, spelt(name), spelt(version or ""), status) for version in versions)
    return keys


@dataclass(slots=True)
class Need(Generic[Holders]):
    """A node must be among one of each list in `some`, and among none of `none`."""

    some: list[list[Holders]] = field(default_factory=list)
    none: list[Holders] = field(default_factory=list)

    @property
    def is_impossible(self) -> bool:
        return not all(self.some)

    def add(self, term: Term, known: Known[Holders], spelt: Callable[[str], str]) -> None:
        """Ask for *term* too."""
        present, labels = known.get((HAS_LABEL, term.name), {}).values(), known.get((LABEL, term.name), {})
        if isinstance(term, LabelTerm):
            holders = [labels[value, ""] for value in map(spelt, term.values) if (value, "") in labels]
        else:
            keys = known.get((RUNTIME, term.name), {})
            enough = (Truth.YES, Truth.UNKNOWN) if isinstance(term, RuntimeTerm) and term.negated else (Truth.YES,)
            holders = [holder for key, holder in keys.items() if _truth(term, RUNTIME, *key) in enough]
            if not is_bare(term):
                holders += [holder for key, holder in labels.items() if _truth(term, LABEL, *key) in enough]
            elif isinstance(term, RuntimeTerm) and term.may_be_label:
                holders += present
        if not (isinstance(term, RuntimeTerm | LabelTerm) and term.negated):
            self.some.append(holders)
            return
        self.none += holders
        if judge(term, _NOBODY).truth is Truth.UNKNOWN:  # a fact that a node does not report
            self.some.append([*present])


def need_of(
    terms: Iterable[Term], known: Known[Holders], tolerated: Collection[str] = (), spelt: Callable[[str], str] = str
) -> Need[Holders]:
    """What work needs that asks for *terms* and tolerates those taints. Texts in *known* are as *spelt*."""
    repelling = [holders for (kind, name), holders in known.items() if kind == TAINT and name not in tolerated]
    need = Need(none=[holder for holders in repelling for holder in holders.values()])
    for term in terms:
        need.add(term, known, spelt)
    return need


def is_bare(term: Term) -> bool:
    """Whether no value of a label decides on *term*, only whether there is one, if that."""
    return isinstance(term, RuntimeTerm) and (term.constraint is None or not term.may_be_label)


@lru_cache(maxsize=2**16)
def _truth(term: Term, kind: str, value: str, status: str) -> Truth:
    """What the matcher says of a node that has only this, negation aside; remembered."""
    positive = replace(term, negated=False) if isinstance(term, RuntimeTerm) else term
    if kind == LABEL:
        return judge(positive, Node(0, "", labels={term.name: value})).truth
    if not isinstance(positive, RuntimeTerm):
        return Truth.NO
    cached = status == _CACHED
    offered = Capability(_NEUTRAL, Status.AVAILABLE if cached else Status(status), (Instance(value),), cached=cached)
    return judge(replace(positive, name=_NEUTRAL), Node(0, "", {_NEUTRAL: offered})).truth
