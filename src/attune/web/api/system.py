"""Whether this process lives, whether it can work, and the figures of the fleet."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from attune.core.errors import DatabaseError
from attune.web.access import Reader
from attune.web.middleware.metrics import fleet_text
from attune.web.middleware.problems import ProblemError, documented, text_answer
from attune.web.services import Given

router = APIRouter(tags=["system"])


class HealthAnswer(BaseModel):
    """The answer of the health checks."""

    status: str = Field(examples=["ok"])


@router.get("/healthz", summary="Alive")
async def get_health() -> HealthAnswer:
    """Whether the process answers; it asks nobody else."""
    return HealthAnswer(status="ok")


@router.get("/readyz", summary="Ready", responses=documented(503))
async def get_readiness(services: Given) -> HealthAnswer:
    """Whether the database answers as well, and everything is stored."""
    if not await services.tokens.answers():
        raise ProblemError(503, "the database does not answer", headers={"Retry-After": "2"})
    try:
        async with asyncio.timeout(2):
            here = services.audit.refusals.reason or services.decisions.reason
            refused = bool(here or await services.events.refusals())
    except (TimeoutError, DatabaseError):
        refused = True
    if refused:
        raise ProblemError(503, "storing is refused, attune doctor tells what", headers={"Retry-After": "5"})
    return HealthAnswer(status="ok")


_METRICS = text_answer(
    "The figures in Prometheus' text format.", "text/plain", 'attune_workers{role="worker",status="active"} 12.0\n'
)


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response, responses=_METRICS)
async def get_metrics(_who: Reader, request: Request, services: Given) -> Response:
    """Of the fleet, at most a few seconds old, and of the requests that this process answered.

    A scraper shows its token as everybody else: `authorization: {credentials_file: …}`.
    """
    fleet = fleet_text(await services.fleet_pages.metrics())
    return Response(fleet + request.app.state.figures.text(), media_type=CONTENT_TYPE_LATEST)
