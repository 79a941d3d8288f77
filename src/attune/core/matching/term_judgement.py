"""Whether one term holds on one node: the rules, with which an index or a query must agree, and a stable reason."""

import operator
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from attune.core.durations import coarse
from attune.core.matching.fleet import Capability, Node
from attune.core.matching.terms import LabelTerm, NumberTerm, RuntimeTerm, Term
from attune.core.nodes.labels import UNIVERSAL, number
from attune.core.runtimes.aliases import is_ref
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.verdict import Instance, Status
from attune.core.runtimes.version import Version

AND = " and "  # between the versions of one node


class Reason(StrEnum):
    """Why a term or a node is not (or is) what is asked for. Stable: programs may rely on the values."""

    SATISFIED = "satisfied"
    RUNTIME_UNDEFINED = "runtime_undefined"  # no definition, runtime or label of that name anywhere
    RUNTIME_MISSING = "runtime_missing"  # neither a runtime nor a label of that name
    RUNTIME_UNCHECKED = "runtime_unchecked"  # defined, and the node has not looked for it
    RUNTIME_UNAVAILABLE = "runtime_unavailable"  # verified not to be there
    RUNTIME_UNKNOWN = "runtime_unknown"  # its check could not decide
    RUNTIME_INVALID = "runtime_invalid"  # its definition is malformed, so nothing was checked
    RUNTIME_PRESENT = "runtime_present"  # and must not be
    NOT_VERIFIED = "not_verified"  # declared, assumed or cached only
    VERSION_MISMATCH = "version_mismatch"
    VERSION_UNKNOWN = "version_unknown"  # present, but it shows no version that can be read
    VERSION_IMPRECISE = "version_imprecise"  # 3.12 may be 3.12.4 or not
    LABEL_MISSING = "label_missing"
    LABEL_DIFFERS = "label_differs"
    LABEL_PRESENT = "label_present"  # and must not be
    FACT_UNKNOWN = "fact_unknown"  # the node does not report what every host has
    NUMBER_MISMATCH = "number_mismatch"
    NODE_TAINTED = "node_tainted"  # with a taint that is not tolerated
    NODE_OUT_OF_SERVICE = "node_out_of_service"  # it left, or failed
    NODE_STARTING = "node_starting"  # and has not said yet what it can run


@dataclass(frozen=True, slots=True)
class TermFinding:
    """What a term came to on a node: in short ("3.10.14", "none"), and the interpreter that satisfies it, if any."""

    term: Term
    truth: Truth
    reason: Reason
    found: str
    instance: Instance | None = None

    @property
    def holds(self) -> bool:
        return self.truth is Truth.YES

    def on(self, node: Node) -> str:
        """What was found on *node*, where the term was judged, in full: with the path or the reason of its check."""
        capability = node.capabilities.get(self.term.name) if isinstance(self.term, RuntimeTerm) else None
        if self.reason in (Reason.RUNTIME_UNDEFINED, Reason.RUNTIME_UNCHECKED):
            return self.found
        if self.reason is Reason.RUNTIME_MISSING:
            return "no runtime of that ref" if is_ref(self.term.name) else "neither a runtime nor a label of that name"
        if capability is None or self.reason in (Reason.LABEL_DIFFERS, Reason.LABEL_PRESENT):
            return f"found {self.found}"
        if not capability.status.offered:
            return f"{capability.status.value}, {capability.reason}"
        paths = [instance.path for instance in capability.instances if instance.path]
        return f"found {self.found}" + (f" at {paths[0]}" if paths else "")


def judge(term: Term, node: Node) -> TermFinding:
    """Whether *term* holds on *node*."""
    if isinstance(term, RuntimeTerm):
        return _judge_runtime(term, node)
    return _judge_label(term, node) if isinstance(term, LabelTerm) else _judge_number(term, node)


def signature_of(term: Term) -> Callable[[Node], Hashable]:
    """A function of a node: where it gives equal values, `judge` gives equal findings but for the paths."""
    name = term.name
    if not isinstance(term, RuntimeTerm):
        return lambda node: node.labels.get(name)

    def signature(node: Node) -> Hashable:
        capability = node.capabilities.get(name)
        if capability is None:
            return node.labels.get(name)
        instances = capability.instances
        single = len(instances) == 1
        versions = instances[0].version if single else tuple([instance.version for instance in instances])
        cached = _cached(capability) if capability.cached and term.verified else ""
        return capability.status, versions, node.labels.get(name), cached

    return signature


def _judge_runtime(term: RuntimeTerm, node: Node) -> TermFinding:
    if not term.defined:
        return TermFinding(term, Truth.UNKNOWN, Reason.RUNTIME_UNDEFINED, f"no definition is called {term.name}")
    offer = _offer(term, node.capabilities.get(term.name))
    label = _as_label(term, node.labels) if term.may_be_label else None
    best = offer
    if label is not None and (label.truth.value > offer.truth.value or offer.reason in _NOTHING_KNOWN):
        best = label
    if not term.negated:
        return best
    if best.truth is Truth.UNKNOWN:
        return best
    if best.truth is Truth.NO:
        return TermFinding(term, Truth.YES, Reason.SATISFIED, best.found)
    reason = Reason.LABEL_PRESENT if best is label else Reason.RUNTIME_PRESENT
    return TermFinding(term, Truth.NO, reason, best.found)


_NOT_OFFERED = {
    Status.UNAVAILABLE: (Truth.NO, Reason.RUNTIME_UNAVAILABLE, "none"),
    Status.UNKNOWN: (Truth.UNKNOWN, Reason.RUNTIME_UNKNOWN, "unknown"),
    Status.INVALID: (Truth.UNKNOWN, Reason.RUNTIME_INVALID, "invalid definition"),
}


_NOTHING_KNOWN_OF = {
    False: (Truth.NO, Reason.RUNTIME_MISSING, "none"),
    True: (Truth.UNKNOWN, Reason.RUNTIME_UNCHECKED, "not looked for yet, see attune worker reload"),
}
_NOTHING_KNOWN = frozenset(reason for _, reason, _ in _NOTHING_KNOWN_OF.values())


def _offer(term: RuntimeTerm, capability: Capability | None) -> TermFinding:
    """What the runtime alone says, negation aside."""
    if capability is None:
        return TermFinding(term, *_NOTHING_KNOWN_OF[term.sought])
    if not capability.status.offered:
        return TermFinding(term, *_NOT_OFFERED[capability.status])
    versions = _versions(capability)
    if term.verified and (capability.status is not Status.AVAILABLE or capability.cached):
        how = capability.status.value if not capability.cached else _cached(capability)
        return TermFinding(term, Truth.NO, Reason.NOT_VERIFIED, f"{versions} ({how})")
    if term.constraint is None:
        return TermFinding(term, Truth.YES, Reason.SATISFIED, versions, _highest(capability.instances))
    read = [(instance, instance.parsed) for instance in capability.instances]
    truths = [term.constraint.check(version) if version else Truth.UNKNOWN for _, version in read]
    if Truth.YES in truths:
        able = tuple(instance for (instance, _), truth in zip(read, truths, strict=True) if truth is Truth.YES)
        return TermFinding(term, Truth.YES, Reason.SATISFIED, versions, _highest(able))
    if truths and Truth.UNKNOWN not in truths:
        return TermFinding(term, Truth.NO, Reason.VERSION_MISMATCH, versions)
    imprecise = any(version and truth is Truth.UNKNOWN for (_, version), truth in zip(read, truths, strict=True))
    reason = Reason.VERSION_IMPRECISE if imprecise else Reason.VERSION_UNKNOWN
    return TermFinding(term, Truth.UNKNOWN, reason, versions)


def _as_label(term: RuntimeTerm, labels: Mapping[str, str]) -> TermFinding | None:
    """What the label of that name says, negation aside; None where it has nothing to say."""
    value = labels.get(term.name)
    if value is None:
        if term.name in UNIVERSAL:
            return TermFinding(term, Truth.UNKNOWN, Reason.FACT_UNKNOWN, "not reported")
        return None
    if term.constraint is None:
        return TermFinding(term, Truth.YES, Reason.SATISFIED, value)
    version = Version.read(value)
    truth = term.constraint.check(version) if version else Truth.NO
    reasons = {Truth.YES: Reason.SATISFIED, Truth.NO: Reason.LABEL_DIFFERS, Truth.UNKNOWN: Reason.VERSION_IMPRECISE}
    return TermFinding(term, truth, reasons[truth], value)


def _judge_label(term: LabelTerm, node: Node) -> TermFinding:
    value = node.labels.get(term.name)
    if value is None:
        if term.name in UNIVERSAL:
            return TermFinding(term, Truth.UNKNOWN, Reason.FACT_UNKNOWN, "not reported")
        truth = Truth.YES if term.negated else Truth.NO
        return TermFinding(term, truth, Reason.SATISFIED if term.negated else Reason.LABEL_MISSING, "none")
    if (value in term.values) != term.negated:
        return TermFinding(term, Truth.YES, Reason.SATISFIED, value)
    return TermFinding(term, Truth.NO, Reason.LABEL_PRESENT if term.negated else Reason.LABEL_DIFFERS, value)


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "=": operator.eq,
    "!=": operator.ne,
}


def _judge_number(term: NumberTerm, node: Node) -> TermFinding:
    written = node.labels.get(term.name)
    value = number(written) if written is not None else None
    if written is None or value is None:
        return TermFinding(term, Truth.UNKNOWN, Reason.FACT_UNKNOWN, written or "not reported")
    if _COMPARISONS[term.operator](value, term.value):
        return TermFinding(term, Truth.YES, Reason.SATISFIED, written)
    return TermFinding(term, Truth.NO, Reason.NUMBER_MISMATCH, written)


def _cached(capability: Capability) -> str:
    return "cached" if capability.age is None else f"cached, {coarse(capability.age)}"


def _versions(capability: Capability) -> str:
    texts = dict.fromkeys(instance.version or "unknown version" for instance in capability.instances)
    return AND.join(texts) or "unknown version"


def _highest(instances: tuple[Instance, ...]) -> Instance | None:
    """The one with the highest version, of releases if there are any; one without version only where none has any."""
    known = [(version, instance) for instance in instances if (version := instance.parsed) is not None]
    if known:
        return max(known, key=lambda pair: (not pair[0].is_prerelease, pair[0]))[1]
    return instances[0] if instances else None
