"""Where work may run, as packs of other installations say it: selectors, tolerations and affinities as our terms."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from attune.core.access.secrets import text_of
from attune.core.matching.terms import LabelTerm


def selector_terms(
    match_labels: Mapping[str, Any] = MappingProxyType({}), match_expressions: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """The terms that say of each label that it has its value, and what the expressions say of labels."""
    same = [str(LabelTerm(name.lower(), (text_of(value),))) for name, value in match_labels.items()]
    return same + [_expression_term(**expression) for expression in match_expressions]


def _expression_term(key: str, operator: str, values: Sequence[Any] = ()) -> str:
    if operator.lower() in ("exists", "doesnotexist"):
        return f"{'!' if operator.lower() == 'doesnotexist' else ''}{key.lower()}"
    if operator.lower() not in ("in", "notin") or not values:
        raise ValueError(operator)
    return str(LabelTerm(key.lower(), tuple(sorted(map(text_of, values))), operator.lower() == "notin"))


def toleration_terms(tolerations: Sequence[Mapping[str, Any]]) -> list[str]:
    """`tolerates KEY`, and `tolerates KEY=VALUE` where there is a value: taints are written either way."""
    pairs = [(toleration["key"], toleration.get("value")) for toleration in tolerations]
    return [f'tolerates "{taint}"' for key, value in pairs for taint in ([key, f"{key}={value}"] if value else [key])]


def affinity_terms(kind: str, required: Sequence[Any] = (), preferred: Sequence[Any] = ()) -> list[str]:
    """The terms of one *kind*, `required` or `preferred`, with weights."""
    return [
        f"{term} *{max(1, min(100, int(part.get('weight', 1))))}" if kind == "preferred" else term
        for part in (preferred if kind == "preferred" else required)
        for term in selector_terms(**part.get("preference", part))
    ]
