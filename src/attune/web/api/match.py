"""The body and the answer of `POST /api/match`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from attune.core.requirement import MAX_TERMS, Preference, Requirement
from attune.operations.place import Placed


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
    max_concurrent: int | None
    runtimes: dict[str, ChosenRuntime]


class MatchAnswer(BaseModel):
    """The ranked nodes and the explanation, as data and in words. `queue` names the requirement class."""

    requirement: str
    queue: str
    eligible_count: int
    eligible: list[EligibleNode]
    explanation: dict[str, Any]
    text: str

    @classmethod
    def of(cls, placed: Placed, limit: int) -> MatchAnswer:
        """The answer that *placed* gives."""
        return cls.model_validate(placed.to_data(limit))
