"""Dry-runs of definitions on live nodes, before anything is saved. They run commands there: that needs scope admin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter

from attune.core.errors import DefinitionError
from attune.core.runtimes.definition import capability_name, parse_definition
from attune.core.runtimes.examples import validate_definition
from attune.core.runtimes.preview import PreviewCandidate, counted
from attune.core.runtimes.runtime import Runtime
from attune.operations.nodes.ask import ask_nodes, preview
from attune.web.access import Admin
from attune.web.api.check_models import (
    CheckAnswer,
    CheckRequest,
    ForecastItem,
    PreviewAnswer,
    PreviewRequest,
    TouchedItem,
    VerdictItem,
)
from attune.web.api.paging import bad_field
from attune.web.middleware.problems import ProblemError, documented, existing
from attune.web.services import Given

router = APIRouter(prefix="/runtimes", tags=["runtimes"])


@router.post("/check", summary="Check a definition on a node", responses=documented(404, 502, 504))
async def check_runtime(who: Admin, services: Given, body: CheckRequest) -> CheckAnswer:
    """The node runs the commands now and tells its verdict with the evidence; nothing is saved or registered."""
    runtime, warnings = await _definition(services, body)
    sort = "id" if isinstance(body.worker, int) else "name"
    node = existing(await services.previews.find(body.worker), f"no node has the {sort} {body.worker!r}")
    if not node.answers:
        raise ProblemError(504, f"expected a node that runs, got {node.name}, which does not")
    answers = await ask_nodes(
        services.requests,
        [node.id],
        runtime,
        asked_by=who.name,
        seconds=body.timeout_seconds,
        news=services.hub.news,
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
        services.requests,
        candidates,
        runtime,
        asked_by=who.name,
        seconds=body.timeout_seconds,
        news=services.hub.news,
    )
    stored = await services.runtimes.get_runtime(runtime.ref)
    touched = await services.previews.touched(runtime.ref)
    return PreviewAnswer(
        ref=runtime.ref,
        name=capability_name(runtime),
        name_before=None if stored is None else capability_name(stored),
        live=await services.previews.live(roles),
        counts=counted(forecasts),
        nodes=[ForecastItem.of(forecast) for forecast in forecasts],
        touches=TouchedItem.model_validate(touched, from_attributes=True),
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
