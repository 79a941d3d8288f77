"""Where can this run? The nodes that can, why the others cannot, and what would help."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from attune.core.node import ROLES
from attune.core.requirement import MAX_TERMS, Preference, Requirement
from attune.operations.place import Placed, place
from attune.web.access import Reader
from attune.web.problems import documented
from attune.web.services import Given

router = APIRouter(tags=["match"])


class MatchRequest(BaseModel):
    """Where can work run that needs all of `terms`?"""

    model_config = ConfigDict(extra="forbid", strict=True)

    terms: list[str] = Field(min_length=1, max_length=MAX_TERMS, examples=[["python >=3.9,<4", "!docker"]])
    prefer: list[str] = Field(default=[], max_length=MAX_TERMS, examples=[["zone=eu *5"]])
    tolerate: list[str] = Field(default=[], max_length=MAX_TERMS, examples=[["gpu-only"]])
    role: Literal["worker", "sensor"] = "worker"
    limit: int = Field(default=10, ge=1, le=1000)

    def requirement(self) -> Requirement:
        """The requirement. Raises `RequirementError` with the position of the fault."""
        return Requirement.parse(self.terms)

    def preferences(self) -> list[Preference]:
        """The preferences. Raises `RequirementError`."""
        return [Preference.parse(text) for text in self.prefer]


class ChosenRuntime(BaseModel):
    """The interpreter to use: of those that satisfy, the highest version."""

    version: str | None
    path: str | None


class EligibleNode(BaseModel):
    """A node that can take the work now, best first."""

    id: int
    name: str
    score: int
    running: int
    runtimes: dict[str, ChosenRuntime]


class MatchAnswer(BaseModel):
    """The ranked nodes and the explanation. `queue` names the requirement class."""

    requirement: str
    queue: str
    eligible_count: int
    eligible: list[EligibleNode]
    explanation: dict[str, Any]

    @classmethod
    def of(cls, placed: Placed, limit: int) -> MatchAnswer:
        """The answer that *placed* gives."""
        return cls.model_validate(placed.to_data(limit))


@router.post("/match", summary="Where can this run?", responses=documented(401, 403, 422))
async def matched(_who: Reader, services: Given, body: MatchRequest) -> MatchAnswer:
    """Nothing is started: the fleet is asked as it is now."""
    requirement, preferences = body.requirement(), body.preferences()
    fleet = await services.fleets.of(ROLES[body.role])
    placed = await asyncio.to_thread(place, requirement, fleet, preferences=preferences, tolerations=body.tolerate)
    return MatchAnswer.of(placed, body.limit)
