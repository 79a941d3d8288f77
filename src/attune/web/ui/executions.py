"""What was run, what runs, and what waits and why; and running something."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from attune.core.executions.execution import ExecutionStatus
from attune.core.ports.executions import ExecutionFilter, ExecutionRecord, NewExecution, StoredOutput
from attune.web.access import Operator
from attune.web.middleware.problems import ProblemError, usage_errors_as
from attune.web.services import Given, Services
from attune.web.ui.pages import Visitor, lines_of, page

router = APIRouter(include_in_schema=False)
_SHOWN = 100
_MOST_PIECES = 4
_STATUSES = [status.value for status in ExecutionStatus]


@router.get("/executions")
async def list_executions_page(
    request: Request, _who: Visitor, services: Given, status: str = "", action: str = "", worker: str = ""
) -> Response:
    """Newest first; those of a status, an action, a worker."""
    chosen = status if status in _STATUSES else ""
    wanted = ExecutionFilter(chosen or None, action.strip() or None, worker.strip() or None, limit=_SHOWN)
    return page(
        request,
        "executions.html",
        pauses=await services.runs.pauses(),
        executions=await services.runs.list(wanted),
        actions=await services.runs.actions(),
        statuses=_STATUSES,
        chosen=chosen,
        action=action,
        worker=worker,
    )


@router.get("/executions/{number}")
async def execution_page(request: Request, _who: Visitor, services: Given, number: int) -> Response:
    """One execution: where it runs, with what, what it prints; why it waits."""
    execution = await _execution(services, number)
    after, output = (0, 0), list[StoredOutput]()
    for _ in range(_MOST_PIECES):
        pieces = await services.runs.output(number, after)
        output += pieces
        if not pieces:
            break
        after = (pieces[-1].attempt, pieces[-1].number)
    return page(
        request,
        "execution.html",
        one=execution,
        output=[piece for piece in output if piece.attempt == (output[-1].attempt if output else 0)],
        parameters=json.dumps(execution.parameters, indent=2, ensure_ascii=False) if execution.parameters else "",
        result=json.dumps(execution.result, indent=2, ensure_ascii=False) if execution.result is not None else "",
        explained=await services.runs.explanation(execution) if execution.waits else {},
    )


@router.post("/executions")
async def run_action(
    _who: Operator,
    services: Given,
    action: Annotated[str, Form(max_length=300)],
    parameters: Annotated[str, Form(max_length=100_000)] = "",
    require: Annotated[str, Form(max_length=4096)] = "",
) -> Response:
    """Run an action with parameters written as JSON."""
    try:
        values = json.loads(parameters or "{}")
        if not isinstance(values, dict):
            raise ProblemError(422, 'parameters: expected an object such as {"name": "world"}')
        wanted = NewExecution(await services.runs.action(action), values, tuple(lines_of(require)))
        execution = await services.runs.run(wanted)
    except (ValueError, RecursionError):
        raise ProblemError(422, 'parameters: expected JSON such as {"name": "world"}') from None
    return RedirectResponse(f"/executions/{execution.id}", 303)


@router.post("/executions/{number}/{verb}")
async def end_or_retry_execution(_who: Operator, services: Given, number: int, verb: str) -> Response:
    """End it, or run it once more."""
    await _execution(services, number)
    if verb not in ("cancel", "retry"):
        raise ProblemError(404, f"nothing is called {verb}")
    with usage_errors_as(409):
        execution = await (services.runs.cancel(number) if verb == "cancel" else services.runs.retry(number))
    return RedirectResponse(f"/executions/{execution.id}", 303)


async def _execution(services: Services, number: int) -> ExecutionRecord:
    if not 0 < number < 2**63:
        raise ProblemError(404, f"no execution has the number {number}")
    with usage_errors_as(404):
        return await services.runs.get(number)
