"""What happens in the fleet, newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attune.core.ports.executions import ExecutionFilter, ExecutionRecord
from attune.web.services import Given
from attune.web.ui.pages import Visitor, page

router = APIRouter(include_in_schema=False)
_SHOWN = 200


@router.get("/activity")
async def activity_page(request: Request, who: Visitor, services: Given, q: str = "") -> Response:
    """Transitions and executions whose node, runtime, action or status contains *q*."""
    transitions = json.loads((await services.node_pages.transitions(limit=_SHOWN)).items)
    wanted = q.lower().strip()
    shown = [
        {**one, "at": datetime.fromisoformat(one["at"])}
        for one in transitions
        if wanted in f"{one['worker_name']} {one['name']} {one['runtime_ref']} {one['to_status']}".lower()
    ]
    executions = [
        one
        for one in await services.runs.list(ExecutionFilter(limit=_SHOWN))
        if wanted in f"{one.worker_name or ''} {one.action_ref} {one.status} execution".lower()
    ]
    return page(request, "activity.html", caller=who, happened=_in_order(shown, executions)[:_SHOWN], q=q)


def _in_order(transitions: Sequence[Mapping[str, Any]], executions: Sequence[ExecutionRecord]) -> list[dict[str, Any]]:
    """Both, newest first."""
    happened = [{"at": one["at"], "transition": one, "execution": None} for one in transitions]
    happened += [{"at": one.updated, "transition": None, "execution": one} for one in executions]
    return sorted(happened, key=lambda one: one["at"], reverse=True)
