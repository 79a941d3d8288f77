"""What a requirement comes to in terms of table `capability`: which of its rows a node must hold, and which not.

The pure matcher decides, once for each distinct capability that a term could mean; there are few, however many nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from attune.core.matching.fleet import Capability, Node
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.term_judgement import judge
from attune.core.matching.terms import LabelTerm, RuntimeTerm, Term
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.verdict import Instance, Status
from attune.postgres.nodes.capabilities import CACHED, HAS_LABEL, LABEL, RUNTIME, TAINT, Key, indexed
from attune.postgres.rows import Source, read_pairs

_NOBODY = Node(0, "")
_NEUTRAL = "runtime"  # a name that is no fact, so that only the capability is judged
_REMEMBERED = 2048  # capabilities of one term


@dataclass(slots=True)
class Need:
    """Ids of capabilities: a node must hold one of each list in `some`, and none of `none`."""

    some: list[list[int]] = field(default_factory=list)
    none: list[int] = field(default_factory=list)

    @property
    def is_impossible(self) -> bool:
        return not all(self.some)


async def needs_of(
    source: Source,
    requirement: Requirement,
    preferences: Sequence[Preference],
    tolerations: Iterable[str],
) -> tuple[Need, list[tuple[Need, int]]]:
    """What *requirement* needs, and what each preference does, with its weight."""
    terms = [*requirement.terms, *(preference.term for preference in preferences)]
    tolerated = [indexed(taint) for taint in {*requirement.tolerations, *tolerations}]
    rows = await read_pairs(source, _KNOWN, _asked(terms, tolerated))
    known = {Key(*key): number for key, number in rows.items()}
    need = Need(none=[number for key, number in known.items() if key.kind == TAINT])
    for term in requirement.terms:
        _add(need, term, known)
    wishes = []
    for preference in preferences:
        wish = Need()
        _add(wish, preference.term, known)
        wishes.append((wish, preference.weight))
    return need, wishes


# All versions and statuses of the runtimes asked for; of a label, which may have a value on every node, the values
# asked for, or all of them only where they are compared; every taint but those that are tolerated.
_KNOWN = """
    SELECT (kind, name, value, status), id FROM capability WHERE kind = 'runtime' AND name = ANY(%(runtimes)s)
    UNION ALL
    SELECT (kind, name, value, status), id FROM capability WHERE kind = 'has_label' AND name = ANY(%(names)s)
    UNION ALL
    SELECT (kind, name, value, status), id FROM capability
    WHERE kind = 'label' AND name = ANY(%(selected)s) AND value = ANY(%(values)s)
    UNION ALL
    SELECT (kind, name, value, status), id FROM capability WHERE kind = 'label' AND name = ANY(%(compared)s)
    UNION ALL
    SELECT (kind, name, value, status), id FROM capability WHERE kind = 'taint' AND NOT name = ANY(%(tolerated)s)
"""


def _asked(terms: Sequence[Term], tolerated: Sequence[str]) -> dict[str, list[str]]:
    selected = [term for term in terms if isinstance(term, LabelTerm)]
    compared = [term for term in terms if not isinstance(term, LabelTerm) and not _is_bare(term)]
    return {
        "runtimes": [term.name for term in terms if isinstance(term, RuntimeTerm)],
        "names": [term.name for term in terms],
        "selected": [term.name for term in selected],
        "values": [indexed(value) for term in selected for value in term.values],
        "compared": [term.name for term in compared],
        "tolerated": list(tolerated),
    }


def _is_bare(term: Term) -> bool:
    return isinstance(term, RuntimeTerm) and (term.constraint is None or not term.may_be_label)


def _add(need: Need, term: Term, known: Mapping[Key, int]) -> None:
    """Make *need* ask for *term* too."""
    present = [known[key] for key in (Key(HAS_LABEL, term.name),) if key in known]
    mine = {key: number for key, number in known.items() if key.name == term.name and key.kind in (RUNTIME, LABEL)}
    if isinstance(term, LabelTerm):
        values = set(map(indexed, term.values))
        numbers = [number for key, number in mine.items() if key.kind == LABEL and key.value in values]
    else:
        bare = isinstance(term, RuntimeTerm) and _is_bare(term) and term.may_be_label
        enough = (Truth.YES, Truth.UNKNOWN) if isinstance(term, RuntimeTerm) and term.negated else (Truth.YES,)
        numbers = [number for key, number in mine.items() if _truth(term, key) in enough]
        numbers += present if bare else []
    if not _is_negated(term):
        need.some.append(numbers)
        return
    need.none.extend(numbers)
    if judge(term, _NOBODY).truth is Truth.UNKNOWN:  # a fact that a node does not report
        need.some.append(present)


def _is_negated(term: Term) -> bool:
    return isinstance(term, RuntimeTerm | LabelTerm) and term.negated


def _truth(term: Term, key: Key) -> Truth:
    """What the matcher says of a node that has only this, negation aside; remembered."""
    judged = _judged(term)
    truth = judged.get(key)
    if truth is None:
        if len(judged) >= _REMEMBERED:
            judged.clear()
        truth = judged[key] = _judge(term, key)
    return truth


@lru_cache(maxsize=256)
def _judged(term: Term) -> dict[Key, Truth]:
    return {}


def _judge(term: Term, key: Key) -> Truth:
    positive = replace(term, negated=False) if isinstance(term, RuntimeTerm) else term
    if key.kind == LABEL:
        return judge(positive, Node(0, "", labels={term.name: key.value})).truth
    if not isinstance(positive, RuntimeTerm):
        return Truth.NO
    cached = key.status == CACHED
    status = Status.AVAILABLE if cached else Status(key.status)
    offered = Capability(_NEUTRAL, status, (Instance(key.value),), cached=cached)
    return judge(replace(positive, name=_NEUTRAL), Node(0, "", {_NEUTRAL: offered})).truth
