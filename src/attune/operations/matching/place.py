"""Place work on a fleet: who can take it, why the others cannot, and what would help."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attune.core.matching.explain import explain
from attune.core.matching.explanation import Explanation
from attune.core.matching.fleet import Node
from attune.core.matching.matcher import Placement, match
from attune.core.matching.requirement import Preference, Requirement
from attune.core.nodes.role import Role
from attune.core.ports.matching import MatchQuery


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to "where can this run?": the ranked nodes and the explanation of all of them."""

    placement: Placement
    explanation: Explanation

    def to_data(self, limit: int) -> dict[str, object]:
        """As JSON has it: the best *limit* nodes, the interpreters to use, the explanation as data and in words."""
        return {
            "requirement": str(self.placement.requirement),
            "queue": self.placement.requirement.queue,
            "eligible_count": len(self.placement.eligible),
            "eligible": [
                {
                    "id": candidate.node.id,
                    "name": candidate.node.name,
                    "score": candidate.score,
                    "running": candidate.node.running,
                    "max_concurrent": candidate.node.max_concurrent,
                    "runtimes": {
                        name: {"version": instance.version, "path": instance.path}
                        for name, instance in candidate.instances.items()
                    },
                }
                for candidate in self.placement.eligible[:limit]
            ],
            "explanation": self.explanation.to_data(),
            "text": str(self.explanation),
        }


def place(
    requirement: Requirement,
    nodes: Sequence[Node],
    *,
    preferences: Sequence[Preference] = (),
    tolerations: Sequence[str] = (),
) -> Placed:
    """Match *requirement* on *nodes* and explain the outcome."""
    return Placed(
        match(requirement, nodes, preferences=preferences, tolerations=tolerations),
        explain(requirement, nodes, preferences=preferences, tolerations=tolerations),
    )


class FleetMatcher:
    """`Matcher` on the fleet of a registry."""

    def __init__(self, fleet: Callable[[Role], Awaitable[Sequence[Node]]]) -> None:
        self._fleet = fleet

    async def answer(self, query: MatchQuery) -> Mapping[str, Any]:
        placed = place(
            query.requirement,
            await self._fleet(query.role),
            preferences=query.preferences,
            tolerations=query.tolerations,
        )
        return placed.to_data(query.limit)
