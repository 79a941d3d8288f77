"""The requirement classes that this node knows of, and which of them it satisfies."""

from collections.abc import Mapping
from dataclasses import replace

from attune.agent.logs import log
from attune.core.errors import RequirementError
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement, RequirementClass
from attune.core.matching.terms import RuntimeTerm
from attune.core.nodes.labels import FACTS
from attune.core.ports.worker import WorkRouting

_PREFERRED_SECONDS = 0.25


class Classes:
    """Requirement classes by queue, read once and then as announced; `reads` are the queues that were satisfied last.

    `waits` has those of them whose work prefers other nodes, and for how many seconds it is left to these.
    """

    def __init__(self, routing: WorkRouting) -> None:
        self._routing = routing
        self._known: dict[str, RequirementClass] = {}
        self._excluded: set[str] = set()
        self._labels: frozenset[str] = frozenset()
        self._matched: tuple[Node | None, int] = (None, 0)
        self.reads: frozenset[str] = frozenset()
        self.waits: dict[str, float] = {}

    async def learn(self, queue: str | None = None) -> bool:
        """Read the class of *queue*, or every class that there is; whether it could be new."""
        if queue in self._known:
            return False
        self._learn(await self._routing.classes(queue))
        await self.refresh()
        return True

    async def refresh(self) -> bool:
        """Ask which of the excluded names are labels: a runtime this node must have looked for itself. Any change?"""
        labels = frozenset(await self._routing.label_names(self._excluded)) if self._excluded else frozenset()
        before, self._labels = self._labels, labels
        if before != labels:
            self._matched = (None, 0)
        return before != labels

    def requirement(self, queue: str) -> Requirement | None:
        """What the class of *queue* needs, None for one that is not known here."""
        return self._known[queue].requirement if queue in self._known else None

    def satisfied_by(self, node: Node | None) -> frozenset[str]:
        """The queues that *node* may read, whatever its status and load; remembered while neither changes."""
        if self._matched[0] is not node or self._matched[1] != len(self._known):
            self._matched = (node, len(self._known))
            free = node and replace(node, status=NodeStatus.ACTIVE, running=0)
            known = {queue: self._seconds(work, free) for queue, work in self._known.items()} if free else {}
            self.waits = {queue: seconds for queue, seconds in known.items() if seconds}
            self.reads = frozenset(queue for queue, seconds in known.items() if seconds is not None)
        return self.reads

    def _seconds(self, work: RequirementClass, free: Node) -> float | None:
        """For how long *free* leaves such work to nodes that it prefers; None where it cannot do it."""
        if not excluded_names(work.requirement) <= self._labels.union(free.capabilities, free.labels):
            return None
        best = match(work.requirement, [free], preferences=work.preferences).best
        weights = [wish.weight for wish in work.preferences]
        lacking = sum(weight for weight in weights if weight > 0) - (best.score if best else 0)
        return _PREFERRED_SECONDS * lacking / (sum(map(abs, weights)) or 1) if best else None

    def _learn(self, requirements: Mapping[str, str]) -> None:
        for queue, text in requirements.items():
            if queue not in self._known:
                try:
                    self._known[queue] = RequirementClass.parse(text)
                except RequirementError as error:
                    log.warning(f"requirement class {queue} cannot be read here: {error}")
                else:
                    self._excluded |= excluded_names(self._known[queue].requirement)


def excluded_names(requirement: Requirement) -> frozenset[str]:
    """The runtimes that *requirement* must not find: whether they are there is known where somebody has looked."""
    terms = (term for term in requirement.terms if isinstance(term, RuntimeTerm) and term.negated)
    return frozenset(term.name for term in terms).difference(FACTS)
