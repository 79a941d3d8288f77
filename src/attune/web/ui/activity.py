"""What happens in the fleet, newest first."""

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
    happened: list[dict[str, Any]] = []
    for it in json.loads((await services.node_pages.transitions(limit=_SHOWN)).items):
        if wanted in f"{it['worker_name']} {it['name']} {it['runtime_ref']} {it['to_status']}".lower():
            at = datetime.fromisoformat(it["at"])
            happened.append({"at": at, "transition": {**it, "at": at}, "execution": None})
    happened += [
        {"at": it.updated, "transition": None, "execution": it}
        for it in await services.runs.list(ExecutionFilter(limit=_SHOWN))
        if wanted in f"{it.worker_name or ''} {it.action_ref} {it.status} execution".lower()
    ]
    told: dict[str, Any] = {"refusals": await services.events.refusals()}
    told["pending"] = await services.events.pending()
    told["paused"] = [rule for rule in await services.events.list_rules() if rule.enabled and rule.paused]
    told["letters"] = await services.events.list_letters(20)
    happened.sort(key=lambda entry: entry["at"], reverse=True)
    return page(request, "activity.html", happened=happened[:_SHOWN], q=q, **told)
