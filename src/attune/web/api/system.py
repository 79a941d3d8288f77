"""Whether this process lives, and whether it can work."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from attune.web.problems import Problem, documented
from attune.web.services import Given

router = APIRouter(tags=["system"])


class Health(BaseModel):
    """The answer of the health checks."""

    status: str = Field(examples=["ok"])


@router.get("/healthz")
async def alive() -> Health:
    """Whether the process answers; it asks nobody else."""
    return Health(status="ok")


@router.get("/readyz", responses=documented(503))
async def ready(services: Given) -> Health:
    """Whether the database answers as well."""
    if not await services.tokens.answers():
        raise Problem(503, "the database does not answer", headers={"Retry-After": "2"})
    return Health(status="ok")
