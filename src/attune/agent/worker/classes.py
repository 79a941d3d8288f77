"""The requirement classes that this node knows of, and which of them it satisfies."""

from __future__ import annotations

from dataclasses import replace

from attune.agent.logs import log
from attune.core.errors import RequirementError
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement
from attune.postgres.executions.routing import PostgresRouting


class Classes:
    """Requirements by queue, read once and kept by what is announced."""

    def __init__(self, routing: PostgresRouting) -> None:
        self._routing = routing
        self._known: dict[str, Requirement] = {}
        self._asked: tuple[Node, int] | None = None
        self.reads: frozenset[str] = frozenset()

    async def read_all(self) -> None:
        """Read every class that there is."""
        self._learn(await self._routing.classes())

    async def learn(self, queue: str) -> bool:
        """Read the class of *queue*; whether it was new."""
        if queue in self._known:
            return False
        self._learn(await self._routing.classes(queue))
        return True

    def requirement(self, queue: str) -> Requirement | None:
        """What the class of *queue* needs, None for one that is not known here."""
        return self._known.get(queue)

    def satisfied_by(self, node: Node | None) -> frozenset[str]:
        """The queues that *node* may read, whatever its status and load; remembered while neither changes."""
        if node is None:
            self.reads = frozenset()
        elif self._asked is None or self._asked[0] is not node or self._asked[1] != len(self._known):
            free = replace(node, status=NodeStatus.ACTIVE, running=0)
            self._asked = (node, len(self._known))
            self.reads = frozenset(
                queue for queue, requirement in self._known.items() if match(requirement, [free]).best is not None
            )
        else:
            return self.reads
        if node is None:
            self._asked = None
        return self.reads

    def _learn(self, found: dict[str, str]) -> None:
        for queue, text in found.items():
            if queue not in self._known:
                try:
                    self._known[queue] = Requirement.parse(text) if text != "*" else Requirement()
                except RequirementError as error:
                    log.warning(f"requirement class {queue} cannot be read here: {error}")
