"""What was run, what runs, and what waits and why; and running something."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from attune.core.access.tokens import Scope
from attune.core.errors import RequirementError, UsageError
from attune.core.executions.execution import ExecutionStatus
from attune.core.ports.executions import ExecutionFilter, ExecutionRecord, NewExecution, StoredOutput
from attune.web.access import Operator
from attune.web.middleware.problems import ProblemError, problem_of
from attune.web.services import Given, Services
from attune.web.ui.pages import Visitor, page

router = APIRouter(include_in_schema=False)
_SHOWN = 100
_MOST_PIECES = 4
_STATUSES = [one.value for one in ExecutionStatus]


@router.get("/executions")
async def list_executions_page(
    request: Request, who: Visitor, services: Given, status: str = "", action: str = "", worker: str = ""
) -> Response:
    """Newest first; those of a status, an action, a worker."""
    chosen = status if status in _STATUSES else ""
    wanted = ExecutionFilter(chosen or None, action.strip() or None, worker.strip() or None, limit=_SHOWN)
    return page(
        request,
        "executions.html",
        caller=who,
        executions=await services.runs.list(wanted),
        actions=await services.runs.actions(),
        statuses=_STATUSES,
        chosen=chosen,
        action=action,
        worker=worker,
        may_operate=who.scope.holds(Scope.OPERATE),
    )


@router.get("/executions/{number}")
async def execution_page(request: Request, who: Visitor, services: Given, number: int) -> Response:
    """One execution: where it runs, with what, what it prints; why it waits."""
    execution = await _one(services, number)
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
        caller=who,
        one=execution,
        output=[piece for piece in output if piece.attempt == (output[-1].attempt if output else 0)],
        parameters=json.dumps(execution.parameters, indent=2, ensure_ascii=False) if execution.parameters else "",
        result=json.dumps(execution.result, indent=2, ensure_ascii=False) if execution.result is not None else "",
        explained=await services.runs.explanation(execution) if execution.status == "requested" else {},
        may_operate=who.scope.holds(Scope.OPERATE),
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
            raise UsageError('parameters: expected an object such as {"name": "world"}')
        extra = tuple(term.strip() for term in require.replace(";", "\n").splitlines() if term.strip())
        execution = await services.runs.run(NewExecution(await services.runs.action(action), values, extra))
    except (UsageError, RequirementError) as error:
        raise problem_of(error, 422) from None
    except (ValueError, RecursionError):
        raise ProblemError(422, 'parameters: expected JSON such as {"name": "world"}') from None
    return RedirectResponse(f"/executions/{execution.id}", 303)


@router.post("/executions/{number}/{verb}")
async def end_or_retry_execution(_who: Operator, services: Given, number: int, verb: str) -> Response:
    """End it, or run it once more."""
    execution = await _one(services, number)
    try:
        if verb == "cancel":
            execution = await services.runs.cancel(number)
        elif verb == "retry":
            execution = await services.runs.retry(number)
        else:
            raise ProblemError(404, f"nothing is called {verb}")
    except UsageError as error:
        raise problem_of(error, 409) from None
    return RedirectResponse(f"/executions/{execution.id}", 303)


async def _one(services: Services, number: int) -> ExecutionRecord:
    if not 0 < number < 2**63:
        raise ProblemError(404, f"no execution has the number {number}")
    try:
        return await services.runs.get(number)
    except UsageError as error:
        raise problem_of(error, 404) from None
