"""Actions, and what was run of them, what runs, and what waits and why; and running one by a form of its schema."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from attune.core.access.tokens import Caller
from attune.core.durations import seconds_of
from attune.core.errors import Fault, RequirementError, UsageError, shown
from attune.core.executions.action import Action
from attune.core.executions.execution import LEAST_PRIORITY, MOST_PRIORITY, ExecutionStatus
from attune.core.ports.executions import ExecutionFilter, ExecutionRecord, NewExecution, StoredOutput
from attune.web.access import Operator
from attune.web.services import Given, Services
from attune.web.ui.forms import ROOT, fields_of, values_of
from attune.web.ui.listing import SHOWN, Listing, number_of
from attune.web.ui.pages import lines_of

router = APIRouter(include_in_schema=False)
_LAST = 10
_MOST_PIECES = 4
_PRIORITIES = range(LEAST_PRIORITY, MOST_PRIORITY + 1)


async def _executions(services: Services, query: Mapping[str, str]) -> Sequence[ExecutionRecord]:
    status, action, worker = (query.get(name, "").strip() or None for name in ("status", "action", "worker"))
    status = status if status in {*ExecutionStatus} else None
    return await services.runs.list(ExecutionFilter(status, action, worker, limit=SHOWN))


async def _of_execution(services: Services, execution: ExecutionRecord) -> Mapping[str, Any]:
    output: list[StoredOutput] = []
    for _ in range(_MOST_PIECES):
        after = (output[-1].attempt, output[-1].number) if output else (0, 0)
        output += await services.runs.output(execution.id, after)
    return {
        "output": [piece for piece in output if piece.attempt == (output[-1].attempt if output else 0)],
        "explained": await services.runs.explanation(execution) if execution.waits else {},
    }


async def _retry(services: Services, key: str, _who: Caller) -> str:
    return f"/executions/{(await services.runs.retry(int(key))).id}"


async def _of_action(services: Services, action: Action) -> Mapping[str, Any]:
    try:
        needs = str(action.requirement)
    except RequirementError:
        needs = ""
    executions = await services.runs.list(ExecutionFilter(action_ref=action.ref, limit=_LAST))
    return {
        "needs": needs,
        "executions": executions,
        "fields": fields_of(action.param_schema),
        "priorities": _PRIORITIES,
    }


_ACTIONS = Listing(
    "actions",
    "Actions",
    lambda services, _: services.runs.actions(),
    lambda services, ref: services.runs.action(ref),
    _of_action,
    {
        "pause": lambda services, ref, who: services.runs.set_paused(ref, who.name),
        "resume": lambda services, ref, _who: services.runs.set_paused(ref, None),
    },
    "execution",
)
_EXECUTIONS = Listing(
    "executions",
    "Executions",
    _executions,
    lambda services, key: services.runs.get(number_of(key)),
    _of_execution,
    {"cancel": lambda services, key, _who: services.runs.cancel(int(key)), "retry": _retry},
    "execution",
    "executions.html",
)


@router.post("/actions/{ref}/run")
async def run_action(request: Request, _who: Operator, services: Given, ref: str) -> Response:
    """Run it with what was typed, or say at each field what does not fit."""
    action: Action = await _ACTIONS.read(services, ref)
    form = {name: text for name, text in (await request.form()).items() if isinstance(text, str)}
    texts = {name.removeprefix(f"{ROOT}."): text for name, text in form.items() if name.startswith(f"{ROOT}.")}
    require, fault = form.get("require", ""), ""
    values, faults = values_of(action.param_schema, texts)
    try:
        asked = NewExecution(action, values, tuple(lines_of(require)), **_how(form))
        if not faults:
            return RedirectResponse(f"/executions/{(await services.runs.run(asked)).id}", 303)
        asked.check()
    except RequirementError as error:
        fault = error.caret
    except UsageError as error:
        known = {it.field for it in faults}
        faults += [it for it in error.faults or [Fault("", "", "", sentence=str(error))] if it.field not in known]
    fields = fields_of(action.param_schema, texts, faults)
    beside = [fault for fault in faults if not any(field.has(fault) for field in fields)]
    told = {"fields": fields, "beside": beside, "require": require, "fault": fault, "how": form}
    return await _ACTIONS.show(request, services, ref, 422, **told)


def _how(form: Mapping[str, str]) -> dict[str, Any]:
    """What was typed beside the parameters. Raises `UsageError`."""
    typed = {name: form.get(name, "").strip() for name in ("priority", "timeout", "in")}
    if typed["priority"] not in {"", *map(str, _PRIORITIES)}:
        raise UsageError(field="priority", expected=f"0 to {MOST_PRIORITY}", got=shown(typed["priority"]))
    return {
        "priority": int(typed["priority"]) if typed["priority"] else None,
        "timeout_seconds": seconds_of(typed["timeout"], "time limit") if typed["timeout"] else None,
        "delay_seconds": seconds_of(typed["in"], "start in") if typed["in"] else None,
    }


for _listing in (_ACTIONS, _EXECUTIONS):
    router.include_router(_listing.router)
