"""What a requirement comes to in terms of table `capability`: which of its rows a node must hold, and which not."""

from collections.abc import Iterable, Sequence

from attune.core.matching.capability_keys import Need, is_bare, need_of
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.terms import LabelTerm, RuntimeTerm, Term
from attune.postgres.nodes.capabilities import indexed
from attune.postgres.rows import Source, read_pairs


async def needs_of(
    source: Source, requirement: Requirement, preferences: Sequence[Preference], tolerations: Iterable[str]
) -> tuple[Need[int], list[tuple[Need[int], int]]]:
    """What *requirement* needs, and what each preference does, with its weight: ids of rows of table `capability`."""
    terms = [*requirement.terms, *(preference.term for preference in preferences)]
    tolerated = [indexed(taint) for taint in {*requirement.tolerations, *tolerations}]
    known: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
    for key, number in (await read_pairs(source, _KNOWN, _asked(terms, tolerated))).items():
        known.setdefault(key[:2], {})[key[2:]] = number
    need = need_of(requirement.terms, known, spelt=indexed)
    wishes = []
    for preference in preferences:
        wish = Need[int]()
        wish.add(preference.term, known, indexed)
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
    compared = [term for term in terms if not isinstance(term, LabelTerm) and not is_bare(term)]
    return {
        "runtimes": [term.name for term in terms if isinstance(term, RuntimeTerm)],
        "names": [term.name for term in terms],
        "selected": [term.name for term in selected],
        "values": [indexed(value) for term in selected for value in term.values],
        "compared": [term.name for term in compared],
        "tolerated": list(tolerated),
    }
