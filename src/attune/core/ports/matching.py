"""Where work can run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from attune.core.matching.requirement import Preference, Requirement
from attune.core.nodes.role import WORKER, Role


@dataclass(frozen=True, slots=True)
class MatchQuery:
    """Where can work run that needs *requirement*? At most *limit* nodes are listed."""

    requirement: Requirement
    preferences: Sequence[Preference] = ()
    tolerations: Sequence[str] = ()
    role: Role = WORKER
    limit: int = 10


class Matcher(Protocol):
    """Answers where work can run."""

    async def answer(self, query: MatchQuery) -> Mapping[str, Any]:
        """The ranked nodes and the explanation, as `operations.matching.place` has them."""
