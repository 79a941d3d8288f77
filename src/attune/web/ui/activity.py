"""What happens in the fleet, newest first."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attune.core.ports.executions import ExecutionFilter
from attune.web.services import Given
from attune.web.ui.pages import Visitor, page

router = APIRouter(include_in_schema=False)
_SHOWN = 200


@router.get("/activity")
async def activity_page(request: Request, _who: Visitor, services: Given, q: str = "") -> Response:
    """Transitions and executions whose node, runtime, action or status contains *q*."""
    wanted = q.lower().strip()
    happened: list[tuple[datetime, Any, Any]] = [
        (it.updated, None, it)
        for it in await services.runs.list(ExecutionFilter(limit=_SHOWN))
        if wanted in f"{it.worker_name or ''} {it.action_ref} {it.status} execution".lower()
    ]
    happened += [
        (datetime.fromisoformat(it["at"]), it, None)
        for it in json.loads((await services.node_pages.transitions(limit=_SHOWN)).items)
        if wanted in f"{it['worker_name']} {it['name']} {it['runtime_ref']} {it['to_status']}".lower()
    ]
    return page(
        request,
        "activity.html",
        happened=sorted(happened, key=lambda entry: entry[0], reverse=True)[:_SHOWN],
        q=q,
        refusals=await services.events.refusals(),
        pending=await services.events.pending(),
        paused=[rule for rule in await services.events.list_rules() if rule.enabled and rule.paused],
        letters=await services.events.list_letters(20),
    )
