"""What the index remembers of terms and requirements, so that asking again costs a few operations on integers.

Which values satisfy a term is decided by the pure matcher, once for each distinct value; the rules here are only how
truths of one node's values add up: a runtime term is as true as the truest of its interpreters and its label.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from attune.core.matching.fleet import Capability, Node
from attune.core.matching.index.facets import EMPTY, Facet, Key, few_slots_of, truth_sets
from attune.core.matching.requirement import Requirement
from attune.core.matching.term_judgement import judge
from attune.core.matching.terms import LabelTerm, RuntimeTerm, Term
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.verdict import Instance, Status

RUNTIME, LABEL = "runtime", "label"  # kinds of facets, each with a name
EVERYONE, CATEGORY, TAINT = ("node", ""), ("standing", ""), ("taint", "")
Facets = Mapping[Key, Facet]
Offer = tuple[Status, str | None, bool, bool]  # status, version, whether there is an interpreter at all, whether cached

_NOBODY = Node(0, "")
_NEUTRAL = "runtime"  # a name that is no fact, so that only the capability is judged
_CHANGES_TO_PATCH = 8


class Sets(NamedTuple):
    """The nodes where something holds, and those where it may hold (these among them)."""

    yes: int
    maybe: int


def offers_of(capability: Capability) -> Iterable[Offer]:
    """What a term can tell apart of *capability*: one value for each interpreter, or one for the lack of any."""
    status = capability.status
    if not status.offered or not capability.instances:
        return ((status, None, False, capability.cached),)
    return [(status, instance.version, True, capability.cached) for instance in capability.instances]


class TermPlan:
    """One term over the whole fleet, brought up to date when it is asked for."""

    __slots__ = ("__weakref__", "_absent", "_judged", "_sets", "_stamp", "_term")

    def __init__(self, term: Term) -> None:
        self._term = term
        self._judged: dict[tuple[str, Hashable], Truth] = {}
        self._stamp: tuple[int, ...] | None = None
        self._sets = Sets(0, 0)
        self._absent = judge(_positive(term), _NOBODY).truth

    def sets(self, facets: Facets) -> Sets:
        name = self._term.name
        everyone = facets.get(EVERYONE, EMPTY)
        runtime, label = facets.get((RUNTIME, name), EMPTY), facets.get((LABEL, name), EMPTY)
        stamp = (runtime.changed, label.changed, everyone.changed)
        if stamp != self._stamp:
            if len(self._judged) > 2 * (len(runtime.features) + len(label.features)) + 64:
                self._judged.clear()
            yes, maybe = self._evaluate(runtime, label, everyone.present)
            self._sets = Sets(yes, yes if maybe == yes else maybe)
            self._stamp = stamp
        return self._sets

    def _evaluate(self, runtime: Facet, label: Facet, everyone: int) -> tuple[int, int]:
        yes, maybe = self._by_label(label)
        if self._absent is not Truth.NO:
            lacking = everyone & ~label.present
            yes, maybe = (yes | lacking if self._absent is Truth.YES else yes), maybe | lacking
        if isinstance(self._term, RuntimeTerm):
            offered, possible = truth_sets(runtime, self._remembered(RUNTIME, self._judge_offer))
            yes, maybe = yes | offered, maybe | possible
            if self._term.negated:
                return everyone & ~maybe, everyone & ~yes
        return yes, maybe

    def _by_label(self, label: Facet) -> tuple[int, int]:
        term = self._term
        if isinstance(term, LabelTerm):
            among = label.among(term.values)
            holding = label.present & ~among if term.negated else among
        elif isinstance(term, RuntimeTerm) and (term.constraint is None or not term.may_be_label):
            holding = label.present if term.may_be_label else 0
        else:
            return truth_sets(label, self._remembered(LABEL, self._judge_label))
        return holding, holding

    def _remembered(self, kind: str, judged: Callable[[Hashable], Truth]) -> Callable[[Hashable], Truth]:
        def truth_of(value: Hashable) -> Truth:
            truth = self._judged.get((kind, value))
            if truth is None:
                truth = self._judged[kind, value] = judged(value)
            return truth

        return truth_of

    def _judge_offer(self, value: Hashable) -> Truth:
        assert isinstance(self._term, RuntimeTerm) and isinstance(value, tuple)
        status, version, exists, cached = value
        instances = (Instance(version),) if exists else ()
        term = replace(self._term, name=_NEUTRAL, negated=False)
        return judge(term, Node(0, "", {_NEUTRAL: Capability(_NEUTRAL, status, instances, cached=cached)})).truth

    def _judge_label(self, value: Hashable) -> Truth:
        return judge(_positive(self._term), Node(0, "", labels={self._term.name: str(value)})).truth


class RequirementPlan:
    """One requirement over the whole fleet: the bits of the eligible nodes as of `stamp`, and the ids last given."""

    __slots__ = ("bits", "bits_of_ids", "epoch", "ids", "requirement", "stamp", "terms", "used")

    def __init__(self, requirement: Requirement, terms: Iterable[TermPlan]) -> None:
        self.requirement = requirement
        self.terms = tuple(terms)
        self.stamp = self.used = -1
        self.epoch = -1
        self.bits = self.bits_of_ids = 0
        self.ids: tuple[int, ...] | None = None

    def sets(self, facets: Facets) -> Sets:
        """The nodes where every term holds, and where every term may hold; without terms, all."""
        yes = maybe = facets.get(EVERYONE, EMPTY).present
        for term in self.terms:
            computed = term.sets(facets)
            yes &= computed.yes
            maybe &= computed.maybe
        return Sets(yes, maybe)


def patched(ids: tuple[int, ...], changes: int, bits: int, id_of: Callable[[int], int]) -> tuple[int, ...] | None:
    """Ascending *ids* after the slots in *changes* came or went, as *bits* has them; None where many did."""
    if changes.bit_count() > _CHANGES_TO_PATCH:
        return None
    kept = list(ids)
    for slot in few_slots_of(changes):
        if bits >> slot & 1:
            insort(kept, id_of(slot))
        else:
            del kept[bisect_left(kept, id_of(slot))]
    return tuple(kept)


def _positive(term: Term) -> Term:
    return replace(term, negated=False) if isinstance(term, RuntimeTerm) else term
