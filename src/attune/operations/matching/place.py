"""Place work on a fleet: who can take it, why the others cannot, and what would help."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from attune.core.matching.explain import explain
from attune.core.matching.fleet import Node
from attune.core.matching.matcher import Candidate, match
from attune.core.nodes.role import Role
from attune.core.ports.matching import MatchQuery


class FleetMatcher:
    """`Matcher` on the fleet of a registry."""

    def __init__(self, fleet: Callable[[Role], Awaitable[Sequence[Node]]]) -> None:
        self._fleet = fleet

    async def answer(self, query: MatchQuery) -> Mapping[str, Any]:
        return place(query, await self._fleet(query.role))


def place(query: MatchQuery, nodes: Sequence[Node]) -> dict[str, Any]:
    """As JSON has it: the best of *nodes*, the interpreters to use, and the explanation as data and in words."""
    requirement = query.requirement
    placement = match(requirement, nodes, preferences=query.preferences, tolerations=query.tolerations)
    explanation = explain(requirement, nodes, preferences=query.preferences, tolerations=query.tolerations)
    return {
        "requirement": str(requirement),
        "queue": requirement.queue,
        "eligible_count": len(placement.eligible),
        "eligible": [_candidate(candidate) for candidate in placement.eligible[: query.limit]],
        "explanation": explanation.to_data(),
        "text": str(explanation),
    }


def _candidate(candidate: Candidate) -> dict[str, object]:
    node, instances = candidate.node, candidate.instances
    return {
        "id": node.id,
        "name": node.name,
        "score": candidate.score,
        "running": node.running,
        "max_concurrent": node.max_concurrent,
        "runtimes": {name: {"version": used.version, "path": used.path} for name, used in instances.items()},
    }
