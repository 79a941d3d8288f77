"""The requirement classes that this node knows of, and which of them it satisfies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from attune.agent.logs import log
from attune.core.errors import RequirementError
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement
from attune.core.matching.terms import RuntimeTerm
from attune.core.nodes.labels import FACTS
from attune.core.ports.worker import WorkRouting


class Classes:
    """Requirements by queue, read once and then as announced; `reads` are the queues that were satisfied last."""

    def __init__(self, routing: WorkRouting) -> None:
        self._routing = routing
        self._known: dict[str, Requirement] = {}
        self._excluded: set[str] = set()
        self._labels: frozenset[str] = frozenset()
        self._matched: tuple[Node | None, int] = (None, 0)
        self.reads: frozenset[str] = frozenset()

    async def read_all(self) -> None:
        """Read every class that there is."""
        self._learn(await self._routing.classes())
        await self.refresh()

    async def learn(self, queue: str) -> bool:
        """Read the class of *queue*; whether it was new."""
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
        return self._known.get(queue)

    def satisfied_by(self, node: Node | None) -> frozenset[str]:
        """The queues that *node* may read, whatever its status and load; remembered while neither changes."""
        if self._matched[0] is not node or self._matched[1] != len(self._known):
            self._matched = (node, len(self._known))
            self.reads = frozenset()
            if node is not None:
                free = replace(node, status=NodeStatus.ACTIVE, running=0)
                self.reads = frozenset(
                    queue
                    for queue, requirement in self._known.items()
                    if excluded_names(requirement) <= self._labels.union(node.capabilities, node.labels)
                    and match(requirement, [free]).best is not None
                )
        return self.reads

    def _learn(self, requirements: Mapping[str, str]) -> None:
        for queue, text in requirements.items():
            if queue not in self._known:
                try:
                    self._known[queue] = Requirement.parse(text)
                except RequirementError as error:
                    log.warning(f"requirement class {queue} cannot be read here: {error}")
                else:
                    self._excluded |= excluded_names(self._known[queue])


def excluded_names(requirement: Requirement) -> frozenset[str]:
    """The runtimes that *requirement* must not find: whether they are there is known where somebody has looked."""
    terms = (term for term in requirement.terms if isinstance(term, RuntimeTerm) and term.negated)
    return frozenset(term.name for term in terms).difference(FACTS)
