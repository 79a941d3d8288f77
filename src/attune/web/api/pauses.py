"""Pauses: an emergency stop of what starts, of one action or of the whole fleet."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from attune.web.access import Operator, Reader
from attune.web.api.paging import Answer, Body, Page, page_of
from attune.web.middleware.problems import documented, usage_errors_as
from attune.web.services import Given

router = APIRouter(prefix="/pauses", tags=["executions"])
_ACTION = "An action's ref; without one it is the whole fleet."


class PauseItem(Answer):
    """What is paused: nothing of it starts. What runs goes on."""

    action_ref: str | None = Field(description="Null for the whole fleet.", examples=["demo.hello_python"])
    since: datetime = Field(examples=["2026-11-24T09:00:00Z"])
    by: str = Field(examples=["ci"])


class PauseRequest(Body):
    """What to pause."""

    action: str | None = Field(max_length=300, description="Null for the whole fleet.", examples=["demo.hello_python"])


@router.get("", summary="List what is paused")
async def list_pauses(_who: Reader, services: Given) -> Page[PauseItem]:
    """The fleet first, then actions by ref."""
    return page_of(PauseItem, await services.runs.pauses())


@router.post("", summary="Pause an action or the fleet", responses=documented(404))
async def create_pause(who: Operator, services: Given, body: PauseRequest) -> Page[PauseItem]:
    """Once this answers, nothing of it starts until it is resumed. Answers with all that is paused."""
    with usage_errors_as(404):
        await services.runs.set_paused(body.action, who.name)
    return page_of(PauseItem, await services.runs.pauses())


@router.delete("", summary="Resume an action or the fleet", responses=documented(404))
async def delete_pause(
    _who: Operator,
    services: Given,
    action: Annotated[str | None, Query(max_length=300, description=_ACTION, examples=["demo.hello_python"])] = None,
) -> Page[PauseItem]:
    """What waited is offered again within a second. Answers with all that is still paused."""
    with usage_errors_as(404):
        await services.runs.set_paused(action, None)
    return page_of(PauseItem, await services.runs.pauses())
