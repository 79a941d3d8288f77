"""Where can this run? The nodes that can, why the others cannot, and what would help."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.requirement_parser import MAX_TERMS
from attune.core.nodes.role import ROLES
from attune.core.ports.matching import MatchQuery
from attune.web.access import Reader
from attune.web.api.paging import Body
from attune.web.services import Given

router = APIRouter(tags=["match"])


class MatchRequest(Body):
    """Where can work run that needs all of `terms`?"""

    terms: list[str] = Field(min_length=1, max_length=MAX_TERMS, examples=[["python >=3.9,<4", "!docker"]])
    prefer: list[str] = Field(default=[], max_length=MAX_TERMS, examples=[["zone=eu *5"]])
    tolerate: list[str] = Field(default=[], max_length=MAX_TERMS, examples=[["gpu-only"]])
    role: Literal["worker", "sensor"] = "worker"
    limit: int = Field(default=10, ge=1, le=1000)


class ChosenRuntime(BaseModel):
    """The interpreter to use: of those that satisfy, the highest version."""

    version: str | None = Field(examples=["3.11.7"])
    path: str | None = Field(examples=["/usr/bin/python3"])


class EligibleNode(BaseModel):
    """A node that can take the work now, best first."""

    id: int
    name: str = Field(examples=["worker-build-7"])
    score: int
    running: int
    max_concurrent: int | None
    runtimes: dict[str, ChosenRuntime] = Field(examples=[{"python": {"version": "3.11.7", "path": "/usr/bin/python3"}}])


class MatchAnswer(BaseModel):
    """The ranked nodes and the explanation, as data and in words. `queue` names the requirement class."""

    requirement: str = Field(examples=["python >=3.9,<4"])
    queue: str = Field(examples=["cap-0c1f…"])
    eligible_count: int
    eligible: list[EligibleNode]
    explanation: dict[str, Any] = Field(examples=[{"outcome": "ready", "total": 1}])
    text: str = Field(examples=["READY\nneeds     python >=3.9,<4"])


@router.post("/match", summary="Where can this run?")
async def match_nodes(_who: Reader, services: Given, body: MatchRequest) -> MatchAnswer:
    """Nothing is started: the fleet is asked as it is now."""
    preferences = [Preference.parse(text) for text in body.prefer]
    query = MatchQuery(Requirement.parse(body.terms), preferences, body.tolerate, ROLES[body.role], body.limit)
    return MatchAnswer.model_validate(await services.matcher.answer(query))
