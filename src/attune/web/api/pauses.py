"""Pauses: an emergency stop of what starts, of one action or of the whole fleet."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from attune.core.ports.executions import Pause
from attune.web.access import Operator, Reader
from attune.web.api.paging import Body, Page, example_of
from attune.web.middleware.problems import documented, usage_errors_as
from attune.web.services import Given

router = APIRouter(prefix="/pauses", tags=["executions"])
_PAUSES = example_of(Pause("demo.hello_python", datetime(2026, 11, 24, tzinfo=UTC), "ci"), listed=True)
_ACTION = "An action's ref; without one it is the whole fleet."


class PauseRequest(Body):
    """What to pause."""

    action: str | None = Field(max_length=300, description="Null for the whole fleet.", examples=["demo.hello_python"])


@router.get("", summary="List what is paused", responses=_PAUSES)
async def list_pauses(_who: Reader, services: Given) -> Page[Pause]:
    """The fleet first, then actions by ref."""
    return Page(data=list(await services.runs.pauses()))


@router.post("", summary="Pause an action or the fleet", responses=documented(404) | _PAUSES)
async def create_pause(who: Operator, services: Given, body: PauseRequest) -> Page[Pause]:
    """Once this answers, nothing of it starts until it is resumed. Answers with all that is paused."""
    with usage_errors_as(404):
        await services.runs.set_paused(body.action, who.name)
    return Page(data=list(await services.runs.pauses()))


@router.delete("", summary="Resume an action or the fleet", responses=documented(404) | _PAUSES)
async def delete_pause(
    _who: Operator,
    services: Given,
    action: Annotated[str | None, Query(max_length=300, description=_ACTION, examples=["demo.hello_python"])] = None,
) -> Page[Pause]:
    """What waited is offered again within a second. Answers with all that is still paused."""
    with usage_errors_as(404):
        await services.runs.set_paused(action, None)
    return Page(data=list(await services.runs.pauses()))
