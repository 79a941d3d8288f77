"""Dry-runs of definitions on live nodes, before anything is saved. They run commands there: that needs scope admin."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import AliasPath, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from attune.core.errors import DefinitionError
from attune.core.runtimes.definition import capability_name, parse_definition
from attune.core.runtimes.examples import validate_definition
from attune.core.runtimes.preview import Effect, PreviewCandidate, counted
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Evidence, Instance, Status, evidence_data
from attune.operations.nodes.ask import ask_nodes, preview
from attune.web.access import Admin
from attune.web.api.paging import MAX_ID, Answer, Body, bad_field
from attune.web.api.runtimes import RuntimeBody
from attune.web.middleware.problems import ProblemError, documented, existing
from attune.web.services import Given

router = APIRouter(prefix="/runtimes", tags=["runtimes"])
DRAFT = "draft.runtime"
NodeIdIn = Annotated[int, Field(ge=1, le=MAX_ID)]


class DraftRuntime(RuntimeBody):
    """A definition that may not be stored yet."""

    ref: str = Field(default=DRAFT, min_length=1, max_length=200, examples=["core.ruby"])


class _About(Body):
    """Which definition a dry-run is about."""

    definition: DraftRuntime | None = Field(default=None, description="One that need not be stored.")
    ref: str | None = Field(
        default=None, min_length=1, max_length=200, description="One that is stored.", examples=["core.python"]
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
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


class VerdictItem(BaseModel):
    """What a node found out just now; nothing of it is registered."""

    ref: str = Field(examples=["core.ruby"])
    name: str = Field(description="What nodes would offer it as.", examples=["ruby"])
    status: Status = Field(examples=["available"])
    version: str | None = Field(examples=["3.1.2"])
    path: str | None = Field(examples=["/usr/bin/ruby"])
    reason: str = Field(examples=["verified by `ruby --version`"])
    duration_ms: float = Field(examples=[13.0])
    instances: list[Instance] = Field(examples=[[{"version": "3.1.2", "path": "/usr/bin/ruby"}]])
    evidence: dict[str, Any] | None = Field(
        description="What was run and what it said.",
        examples=[evidence_data(Evidence(("ruby", "--version"), 0, "ruby 3.1.2p20", 12.4))],
    )
    warnings: list[str] = Field(examples=[[]])


class CheckAnswer(BaseModel):
    """The verdict of a node, and what is doubtful about the definition."""

    node: int = Field(examples=[1])
    node_name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    at: datetime = Field(examples=["2026-11-24T09:00:00Z"])
    verdict: VerdictItem
    warnings: list[str] = Field(examples=[["distributions.verification.commands[0].exitcode: unknown key"]])


class Before(Answer):
    """What a node has now; nulls where it knows nothing of the definition."""

    status: Status | None = Field(examples=["unavailable"])
    version: str | None = Field(examples=[None])


class ForecastItem(Answer):
    """One node of a preview. `after` is null where it did not answer; `error` says why."""

    node: int = Field(validation_alias=AliasPath("node", "id"), examples=[1])
    node_name: str = Field(validation_alias=AliasPath("node", "name"), examples=["worker-build-7"])
    role: str = Field(validation_alias=AliasPath("node", "role"), examples=["worker"])
    effect: Effect = Field(examples=["gains"])
    before: Before = Field(validation_alias="node")
    after: VerdictItem | None = Field(validation_alias="verdict")
    error: str | None = Field(examples=[None])


class TouchedItem(Answer):
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
    nodes: list[ForecastItem] = Field(examples=[[{"node": 1, "effect": "silent", "error": "no answer in time"}]])
    touches: TouchedItem
    warnings: list[str] = Field(examples=[[]])


@router.post("/check", summary="Check a definition on a node", responses=documented(404, 502, 504))
async def check_runtime(who: Admin, services: Given, body: CheckRequest) -> CheckAnswer:
    """The node runs the commands now and tells its verdict with the evidence; nothing is saved or registered."""
    runtime, warnings = await _definition(services, body)
    sort = "id" if isinstance(body.worker, int) else "name"
    node = existing(await services.previews.find(body.worker), f"no node has the {sort} {body.worker!r}")
    if not node.answers:
        raise ProblemError(504, f"expected a node that runs, got {node.name}, which does not")
    answers = await ask_nodes(
        services.requests, [node.id], runtime, asked_by=who.name, seconds=body.timeout_seconds, news=services.hub.news
    )
    answer = answers.get(node.id)
    if answer is None:
        raise ProblemError(504, f"expected an answer of {node.name} within {body.timeout_seconds:g} s, got none")
    if "verdict" not in answer:
        raise ProblemError(502, f"{node.name}: {answer.get('error', 'an answer without a verdict')}")
    return CheckAnswer(
        node=node.id,
        node_name=node.name,
        role=node.role,
        at=datetime.now(UTC),
        verdict=VerdictItem.model_validate(answer["verdict"]),
        warnings=[*warnings, *_role_warning(runtime, node)],
    )


@router.post("/preview", summary="What a definition would change", responses=documented(404))
async def preview_runtime(who: Admin, services: Given, body: PreviewRequest) -> PreviewAnswer:
    """From dry-runs on live nodes: who would gain, lose or keep the runtime, and which work uses it today."""
    runtime, warnings = await _definition(services, body)
    roles = _roles(runtime)
    candidates: Sequence[PreviewCandidate]
    if body.nodes is None:
        candidates = await services.previews.candidates(runtime.ref, roles, body.most)
    else:
        candidates = await services.previews.named(runtime.ref, body.nodes)
        missing = sorted(set(body.nodes) - {node.id for node in candidates})
        if missing:
            raise bad_field("nodes", "ids of nodes", f"{missing[0]}, which no node has")
    forecasts = await preview(
        services.requests, candidates, runtime, asked_by=who.name, seconds=body.timeout_seconds, news=services.hub.news
    )
    stored = await services.runtimes.get_runtime(runtime.ref)
    touched = await services.previews.touched(runtime.ref)
    return PreviewAnswer(
        ref=runtime.ref,
        name=capability_name(runtime),
        name_before=None if stored is None else capability_name(stored),
        live=await services.previews.live(roles),
        counts=counted(forecasts),
        nodes=[ForecastItem.model_validate(forecast) for forecast in forecasts],
        touches=TouchedItem.model_validate(touched),
        warnings=list(warnings),
    )


async def _definition(services: Given, body: CheckRequest | PreviewRequest) -> tuple[Runtime, Sequence[str]]:
    """The definition that *body* is about, and the warnings about it. Raises `DefinitionError` for a new one."""
    if body.definition is not None:
        runtime = body.definition.runtime(body.definition.ref)
        return runtime, validate_definition(runtime)
    stored = await services.runtimes.get_runtime(body.ref or "")
    return existing(stored, f"no definition has the ref {body.ref!r}"), ()


def _roles(runtime: Runtime) -> Sequence[str]:
    """The roles whose nodes would verify *runtime*: none for one that cannot be read."""
    try:
        return sorted(parse_definition(runtime).roles)
    except DefinitionError:
        return ["sensor", "worker"]


def _role_warning(runtime: Runtime, node: PreviewCandidate) -> list[str]:
    roles = _roles(runtime)
    if node.role in roles:
        return []
    return [f"distributions.roles: a {node.role} would not verify it, for it is meant for {', '.join(roles)} only"]
