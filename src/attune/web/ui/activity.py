"""What happens in the fleet, newest first."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from attune.core.access import Caller
from attune.web.services import Given
from attune.web.ui.pages import page, visitor

router = APIRouter(include_in_schema=False)
Visitor = Annotated[Caller, Depends(visitor)]
_SHOWN = 200


@router.get("/activity", name="activity")
async def activity(request: Request, who: Visitor, services: Given, q: str = "") -> Response:
    """Transitions whose node or runtime contains *q*."""
    found = json.loads((await services.node_pages.transitions(limit=_SHOWN)).items)
    wanted = q.lower().strip()
    shown = [
        {**one, "at": datetime.fromisoformat(one["at"])}
        for one in found
        if wanted in f"{one['worker_name']} {one['name']} {one['runtime_ref']} {one['to_status']}".lower()
    ]
    return page(request, "activity.html", caller=who, transitions=shown, q=q)
