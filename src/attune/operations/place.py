"""Place work on a fleet: who can take it, why the others cannot, and what would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attune.core.explanation import Explanation, explain
from attune.core.fleet import Node
from attune.core.matching import Placement, match
from attune.core.requirement import Preference, Requirement


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to "where can this run?": the ranked nodes and the explanation of all of them."""

    placement: Placement
    explanation: Explanation

    def to_data(self, limit: int) -> dict[str, object]:
        """As JSON has it: the best *limit* nodes with the interpreters to use, then the explanation."""
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
                    "runtimes": {
                        name: {"version": instance.version, "path": instance.path}
                        for name, instance in candidate.instances.items()
                    },
                }
                for candidate in self.placement.eligible[:limit]
            ],
            "explanation": self.explanation.to_data(),
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
