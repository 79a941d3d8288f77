"""Place work on a fleet: who can take it, why the others cannot, and what would help."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attune.core.matching.explain import explain
from attune.core.matching.fleet import Node
from attune.core.matching.known_names import KnownNames
from attune.core.matching.matcher import Candidate, match
from attune.core.nodes.role import Role
from attune.core.ports.matching import MatchQuery


async def every_name() -> None:
    """Names, where each counts as known."""


@dataclass(frozen=True)
class FleetMatcher:
    """`Matcher` on the fleet of a registry; *names* gives those that requirements may use."""

    fleet: Callable[[Role], Awaitable[Sequence[Node]]]
    names: Callable[[], Awaitable[KnownNames | None]] = every_name

    async def answer(self, query: MatchQuery) -> Mapping[str, Any]:
        return await asyncio.to_thread(place, query, await self.fleet(query.role), await self.names())


def place(query: MatchQuery, nodes: Sequence[Node], known: KnownNames | None = None) -> dict[str, Any]:
    """As JSON has it: the best of *nodes*, the interpreters to use, and the explanation as data and in words."""
    requirement = query.requirement
    wishes, tolerated = query.preferences, query.tolerations
    placement = match(requirement, nodes, preferences=wishes, tolerations=tolerated, known=known)
    explanation = explain(requirement, nodes, preferences=wishes, tolerations=tolerated, known=known)
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
