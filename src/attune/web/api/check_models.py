"""What the API takes and gives of dry-runs: of one node, and of what a change would do to the fleet."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from attune.core.runtimes.preview import Effect, Forecast
from attune.core.runtimes.verdict import Status
from attune.web.api.node_models import InstanceItem
from attune.web.api.paging import MAX_ID
from attune.web.api.runtime_models import RuntimeBody

DRAFT = "draft.runtime"
_FORECAST = {
    "node": 1,
    "node_name": "worker-build-7",
    "role": "worker",
    "effect": "silent",
    "before": {"status": "available", "version": "3.1.2"},
    "after": None,
    "error": "no answer in time",
}
NodeIdIn = Annotated[int, Field(ge=1, le=MAX_ID)]


class DraftRuntime(RuntimeBody):
    """A definition that may not be stored yet."""

    ref: str = Field(default=DRAFT, min_length=1, max_length=200, examples=["core.ruby"])


class _About(BaseModel):
    """Which definition a dry-run is about."""

    model_config = ConfigDict(extra="forbid", strict=True)

    definition: DraftRuntime | None = Field(default=None, description="One that need not be stored.")
    ref: str | None = Field(
        default=None, min_length=1, max_length=200, description="One that is stored.", examples=["core.python"]
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> _About:
        if (self.definition is None) == (self.ref is None):
            got = "neither" if self.ref is None else "both"
            raise PydanticCustomError("choice", "`definition` or `ref`", {"got": got})
        return self


class CheckRequest(_About):
    """Check a definition on one node."""

    worker: NodeIdIn | Annotated[str, Field(min_length=1, max_length=300)] = Field(
        description="Its id or its name; a worker's or a sensor's.", examples=["worker-build-7"]
    )
    timeout_seconds: float = Field(default=30.0, ge=0.5, le=120.0, description="How long to wait for the node.")


class PreviewRequest(_About):
    """What would a definition do to the fleet?"""

    nodes: list[NodeIdIn] | None = Field(
        default=None, min_length=1, max_length=500, description="Not given: all that live.", examples=[[1, 2]]
    )
    most: int = Field(
        default=200, ge=1, le=500, description="Of a larger fleet, that many nodes are asked, of each kind some."
    )
    timeout_seconds: float = Field(default=30.0, ge=0.5, le=120.0, description="How long to wait for the nodes.")


class CheckEvidence(BaseModel):
    """What was run and what it said."""

    command: list[str] = Field(examples=[["ruby", "--version"]])
    exit_code: int | None = Field(examples=[0])
    output: str = Field(examples=["ruby 3.1.2p20"])
    duration_ms: float = Field(examples=[12.4])
    at: float | None = Field(default=None, description="By the node's clock, since 1970.", examples=[1795514400.0])
    cached: bool = Field(default=False, examples=[False])
    cached_age_seconds: float | None = Field(default=None, examples=[None])


class VerdictItem(BaseModel):
    """What a node found out just now; nothing of it is registered."""

    ref: str = Field(examples=["core.ruby"])
    name: str = Field(description="What nodes would offer it as.", examples=["ruby"])
    status: Status = Field(examples=["available"])
    version: str | None = Field(examples=["3.1.2"])
    path: str | None = Field(examples=["/usr/bin/ruby"])
    reason: str = Field(examples=["verified by `ruby --version`"])
    duration_ms: float = Field(examples=[13.0])
    instances: list[InstanceItem]
    evidence: CheckEvidence | None
    warnings: list[str] = Field(examples=[[]])


class CheckAnswer(BaseModel):
    """The verdict of a node, and what is doubtful about the definition."""

    node: int = Field(examples=[1])
    node_name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    at: datetime = Field(examples=["2026-11-24T09:00:00Z"])
    verdict: VerdictItem
    warnings: list[str] = Field(examples=[["distributions.verification.commands[0].exitcode: unknown key"]])


class Before(BaseModel):
    """What a node has now; nulls where it knows nothing of the definition."""

    status: Status | None = Field(examples=["unavailable"])
    version: str | None = Field(examples=[None])


class ForecastItem(BaseModel):
    """One node of a preview. `after` is null where it did not answer; `error` says why."""

    node: int = Field(examples=[1])
    node_name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    effect: Effect = Field(examples=["gains"])
    before: Before
    after: VerdictItem | None
    error: str | None = Field(examples=[None])

    @classmethod
    def of(cls, forecast: Forecast) -> ForecastItem:
        """What the API shows of *forecast*."""
        node = forecast.node
        return cls(
            node=node.id,
            node_name=node.name,
            role=node.role,
            effect=forecast.effect,
            before=Before(status=node.status, version=node.version),
            after=None if forecast.verdict is None else VerdictItem.model_validate(forecast.verdict),
            error=forecast.error,
        )


class TouchedItem(BaseModel):
    """What uses the runtime today: refs, and unfinished executions by status."""

    actions: list[str] = Field(examples=[["acme.deploy"]])
    sensors: list[str] = Field(examples=[["acme.watch"]])
    executions: dict[str, int] = Field(examples=[{"running": 2}])


class PreviewAnswer(BaseModel):
    """Who would gain, lose or keep the runtime. Of `live` nodes, those in `nodes` were asked."""

    ref: str = Field(examples=["core.ruby"])
    name: str = Field(description="What nodes would offer it as.", examples=["ruby"])
    name_before: str | None = Field(description="What they offer it as now.", examples=["ruby"])
    live: int = Field(examples=[12])
    counts: dict[str, int] = Field(
        description="How many nodes each effect has: " + ", ".join(f"`{effect}`" for effect in Effect) + ".",
        examples=[{"gains": 2, "loses": 0, "keeps": 9, "silent": 1}],
    )
    nodes: list[ForecastItem] = Field(examples=[[_FORECAST]])
    touches: TouchedItem
    warnings: list[str] = Field(examples=[[]])
