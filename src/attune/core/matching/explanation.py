"""Why work runs or does not run on a fleet, as data and in words: headline, needs, fleet, terms, nearest, repair."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from attune.core.durations import precise
from attune.core.matching.causes import Cause
from attune.core.matching.nearest import NearMiss
from attune.core.matching.repair.search import Repair
from attune.core.matching.survey import Category
from attune.core.matching.term_judgement import Reason
from attune.core.runtimes.interval import Truth

_LABEL = 10
_FEW = 3  # nodes that are named one by one
_GROUPS = 4
_REPAIRS = 4
_WIDEST = 48
_SILENT = frozenset({"", "true", "unknown version"})  # findings that say nothing beside the name of the node
_OF_NODES = (Reason.NODE_OUT_OF_SERVICE, Reason.NODE_STARTING)
_SENTENCES = frozenset(
    {Reason.RUNTIME_UNKNOWN, Reason.RUNTIME_UNCHECKED, Reason.RUNTIME_INVALID, Reason.FACT_UNKNOWN, *_OF_NODES}
)


class PlacementOutcome(StrEnum):
    """What becomes of the work."""

    READY = "ready"  # a node can take it now
    WAITING = "waiting"  # nodes can do it, all of them at their limit
    BLOCKED = "blocked"  # no node can do it


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long the work has waited and what its policy (`wait`, `fail`, `cancel`) makes of it. In seconds.

    `held_back` is what keeps it from starting, whatever nodes there are.
    """

    seconds: float
    policy: str = "wait"
    deadline_in: float | None = None
    held_back: str | None = None


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """How many nodes stand in one category; `nodes` names the first of them."""

    category: Category
    count: int
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TermRow:
    """One term on the fleet, or what all nodes must fulfil; the counts sum to it. `hint`: what a name may mean."""

    term: str
    passed: int
    failed: int
    unknown: int
    causes: tuple[Cause, ...]
    hint: str | None = None

    def to_data(self) -> dict[str, object]:
        return {
            "term": self.term,
            "pass": self.passed,
            "fail": self.failed,
            "unknown": self.unknown,
            "causes": [cause.to_data() for cause in self.causes],
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say. The categories sum to `total`, and so does every row. `str()` says it in words.

    `waiting` and `history`, when the work was last placeable, are for whoever knows of them.
    """

    outcome: PlacementOutcome
    needs: tuple[str, ...]
    prefers: tuple[str, ...]
    total: int
    fleet: tuple[CategoryCount, ...]
    terms: tuple[TermRow, ...]
    states: tuple[TermRow, ...]
    nearest: tuple[NearMiss, ...]
    repairs: tuple[Repair, ...]
    waiting: Waiting | None = None
    history: str | None = None

    def count(self, category: Category) -> int:
        """How many nodes stand in *category*."""
        return next(counted.count for counted in self.fleet if counted.category is category)

    def to_data(self) -> dict[str, object]:
        """The explanation as JSON has it."""
        waiting = self.waiting
        return {
            "outcome": self.outcome.value,
            "waiting": waiting
            and {
                "seconds": waiting.seconds,
                "policy": waiting.policy,
                "deadline_in_seconds": waiting.deadline_in,
                "held_back": waiting.held_back,
            },
            "needs": list(self.needs),
            "prefers": list(self.prefers),
            "total": self.total,
            "fleet": {count.category.value: {"count": count.count, "nodes": list(count.nodes)} for count in self.fleet},
            "terms": [row.to_data() for row in self.terms],
            "states": [row.to_data() for row in self.states],
            "nearest": [miss.to_data() for miss in self.nearest],
            "repairs": [repair.to_data() for repair in self.repairs],
            "history": self.history,
        }

    def __str__(self) -> str:
        needs = "   ".join(self.needs) or "any node"
        prefers = f"      prefers {', '.join(self.prefers)}" if self.prefers else ""
        lines = [_headline(self), _line("needs", needs + prefers), _line("fleet", _fleet(self))]
        if self.waiting and self.waiting.held_back:
            lines.insert(1, _line("held", self.waiting.held_back))
        if self.total and (self.terms or self.states):
            lines += _table((*self.terms, *self.states))
        lines += [_line("" if index else "nearest", str(miss)) for index, miss in enumerate(self.nearest)]
        if self.repairs:
            lines.append(_line("repair", "  |  ".join(map(str, self.repairs[:_REPAIRS]))))
        if self.history:
            lines.append(_line("history", self.history))
        return "\n".join(lines)


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}".rstrip()


def _headline(explanation: Explanation) -> str:
    name, waiting = explanation.outcome.value.upper(), explanation.waiting
    if waiting is None:
        return name
    deadline = "" if waiting.deadline_in is None else f", deadline in {precise(waiting.deadline_in)}"
    return f"{name} {precise(waiting.seconds)}   policy {waiting.policy}{deadline}"


def _fleet(explanation: Explanation) -> str:
    if not explanation.total:
        return "0 = 0 able: none has registered yet"
    parts = []
    for count in explanation.fleet:
        if count.count or count.category is Category.ABLE:
            named = f" ({', '.join(count.nodes)})" if 0 < count.count <= _FEW else ""
            parts.append(f"{count.count} {count.category.value}{named}")
    return f"{explanation.total} = {' + '.join(parts)}"


def _table(rows: Sequence[TermRow]) -> list[str]:
    width = min(_WIDEST, max(len(row.term) for row in rows))
    lines = [f"{'term':<{width}}  pass  fail  unknown   because"]
    for row in rows:
        sides = [[cause for cause in row.causes if cause.truth is truth] for truth in (Truth.NO, Truth.UNKNOWN)]
        because = " | ".join(_causes(side) for side in sides if side)
        hint = f", did you mean {row.hint}?" if row.hint else ""
        counts = f"{row.passed:>4}  {row.failed:>4}  {row.unknown:>7}"
        lines.append(f"{row.term:<{width}}  {counts}   {because}{hint}".rstrip())
    return lines


def _causes(causes: Sequence[Cause]) -> str:
    if causes[0].reason is Reason.RUNTIME_UNDEFINED:  # on every node alike
        return causes[0].found
    if sum(cause.count for cause in causes) <= _FEW:
        named = [(name, cause) for cause in causes for name in cause.nodes]
        named.sort(key=lambda pair: (len(pair[0]), pair[0]))
        return ", ".join(f"{name} {cause.found}" if cause.found not in _SILENT else name for name, cause in named)
    phrases: dict[str, list[Cause]] = {}
    for cause in causes:
        phrases.setdefault(cause.found, []).append(cause)
    texts = [_group(phrase, alike) for phrase, alike in phrases.items()]
    more = len(texts) - _GROUPS
    return ", ".join(texts[:_GROUPS]) + (f" and {more} more" if more > 0 else "")


def _group(phrase: str, causes: Sequence[Cause]) -> str:
    count = sum(cause.count for cause in causes)
    who = causes[0].nodes[0] if count == 1 else str(count)
    if causes[0].reason in _SENTENCES:
        return f"{who}: {phrase}"
    return f"{who} {'has' if count == 1 else 'have'} {phrase if phrase not in _SILENT else 'it'}"
