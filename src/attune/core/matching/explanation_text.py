"""An explanation in words: headline, needs, fleet, a table of the terms, the nearest misses and the repair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attune.core.durations import precise
from attune.core.matching.causes import Cause
from attune.core.matching.explanation import CategoryCount, Explanation, TermRow
from attune.core.matching.matcher import Category
from attune.core.matching.term_judgement import Reason
from attune.core.runtimes.constraint import Truth

_LABEL = 10
_FEW = 3  # nodes that are named one by one
_GROUPS = 4
_REPAIRS = 4
_WIDEST = 48
_SILENT = frozenset({"", "true", "unknown version"})  # findings that say nothing beside the name of the node
_OF_NODES = (Reason.NODE_OUT_OF_SERVICE, Reason.NODE_STARTING)
_SENTENCES = frozenset({Reason.RUNTIME_UNKNOWN, Reason.RUNTIME_INVALID, Reason.FACT_UNKNOWN, *_OF_NODES})


def as_text(explanation: Explanation) -> str:
    """The lines that people read."""
    lines = [_headline(explanation), *_needs(explanation), _line("fleet", _fleet(explanation))]
    if explanation.terms or explanation.states:
        lines += _table(explanation)
    lines += _labelled("nearest", map(str, explanation.nearest))
    if explanation.repairs:
        lines.append(_line("repair", "  |  ".join(map(str, explanation.repairs[:_REPAIRS]))))
    if explanation.history:
        lines.append(_line("history", explanation.history))
    return "\n".join(lines)


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}".rstrip()


def _labelled(label: str, texts: Iterable[str]) -> list[str]:
    return [_line("" if index else label, text) for index, text in enumerate(texts)]


def _headline(explanation: Explanation) -> str:
    name, waiting = explanation.outcome.value.upper(), explanation.waiting
    if waiting is None:
        return name
    deadline = "" if waiting.deadline_in is None else f", deadline in {precise(waiting.deadline_in)}"
    return f"{name} {precise(waiting.seconds)}   policy {waiting.policy}{deadline}"


def _needs(explanation: Explanation) -> list[str]:
    needs = "   ".join(explanation.needs) or "any node"
    prefers = f"      prefers {', '.join(explanation.prefers)}" if explanation.prefers else ""
    return [_line("needs", needs + prefers)]


def _fleet(explanation: Explanation) -> str:
    counts = [one for one in explanation.fleet if one.count or one.category is Category.ABLE]
    return f"{explanation.total} = " + " + ".join(map(_category, counts))


def _category(one: CategoryCount) -> str:
    named = f" ({', '.join(one.nodes)})" if 0 < one.count <= _FEW else ""
    return f"{one.count} {one.category.value}{named}"


def _table(explanation: Explanation) -> list[str]:
    rows = [
        (row.term, row.passed, row.failed, row.unknown, _because(row))
        for row in (*explanation.terms, *explanation.states)
    ]
    width = min(_WIDEST, max(len(row[0]) for row in rows))
    lines = [f"{'term':<{width}}  pass  fail  unknown   because"]
    for term, passed, failed, unknown, because in rows:
        lines.append(f"{term:<{width}}  {passed:>4}  {failed:>4}  {unknown:>7}   {because}".rstrip())
    return lines


def _because(row: TermRow) -> str:
    failed = [cause for cause in row.causes if cause.truth is Truth.NO]
    unknown = [cause for cause in row.causes if cause.truth is Truth.UNKNOWN]
    text = " | ".join(_causes(side) for side in (failed, unknown) if side)
    return f"{text}, did you mean {row.hint}?" if row.hint else text


def _causes(causes: Sequence[Cause]) -> str:
    if sum(cause.count for cause in causes) <= _FEW:
        named = [(name, cause) for cause in causes for name in cause.nodes]
        named.sort(key=lambda pair: (len(pair[0]), pair[0]))
        return ", ".join(f"{name} {cause.found}" if cause.found not in _SILENT else name for name, cause in named)
    phrases: dict[str, list[Cause]] = {}
    for cause in causes:
        phrases.setdefault(cause.found, []).append(cause)
    texts = [_group(found, alike) for found, alike in phrases.items()]
    more = len(texts) - _GROUPS
    return ", ".join(texts[:_GROUPS]) + (f" and {more} more" if more > 0 else "")


def _group(found: str, causes: Sequence[Cause]) -> str:
    count = sum(cause.count for cause in causes)
    who = causes[0].nodes[0] if count == 1 else str(count)
    if causes[0].reason in _SENTENCES:
        return f"{who}: {found}"
    return f"{who} {'has' if count == 1 else 'have'} {found if found not in _SILENT else 'it'}"
