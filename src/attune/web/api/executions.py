"""Actions, and their executions: run, watch, end, run once more."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, Field, WrapSerializer

from attune.core.errors import RequirementError
from attune.core.executions.action import Action
from attune.core.executions.execution import LEAST_PRIORITY, MOST_PRIORITY, ExecutionStatus, Policy
from attune.core.executions.timeline import TimelineEntry
from attune.core.matching.requirement_parser import MAX_TERMS
from attune.core.packs.work_reader import LONGEST_SECONDS
from attune.core.ports.executions import (
    CancelledExecutions,
    ExecutionFilter,
    ExecutionRecord,
    NewExecution,
    StoredOutput,
)
from attune.web.access import Operator, Reader
from attune.web.api.paging import MAX_ID, Body, Cursor, Limit, Page, before_of, cursor_of, example_of, position_of
from attune.web.middleware.problems import ProblemError, documented, usage_errors_as
from attune.web.services import Given

actions = APIRouter(prefix="/actions", tags=["actions"])
executions = APIRouter(prefix="/executions", tags=["executions"])
_PRIORITY = "0 to 9, the highest first. Null: that of the action, else 5, or 4 for what a rule asks for."
_WHEN = datetime(2026, 11, 24, 9, tzinfo=UTC)
_PYTHON = {
    "ref": "core.python", "name": "python", "version": "3.11.7", "path": "/usr/bin/python3",
    "real_path": "/usr/bin/python3.11", "status": "available", "verified_by": "python3 --version",
    "verified_at": "2026-01-31T12:00:00.000+00:00",
}  # fmt: skip
_EXECUTION = ExecutionRecord(
    id=7, action_ref="demo.hello_python", status="completed", parameters={"name": "world"}, requirement="python >=3.9",
    policy="wait", deadline=None, attempt=1, failures=0, losses=0, retries=0, worker=1, worker_name="worker-build-7",
    interpreter={"python": _PYTHON}, pack_digest="0f2b…", exit_code=0, reason=None,
    result={"greeting": "hello, world"}, timeout_seconds=30.0, dropped_bytes=0, retry_of=None, priority=5,
    not_before=None, held_back=None, rule_ref="demo.greet", created=_WHEN, updated=_WHEN, started_at=_WHEN,
    finished_at=_WHEN, waited=0.01, ran=0.12,
    timeline=[TimelineEntry(3, _WHEN, "running", 1, "worker-build-7", None)],
)  # fmt: skip
_OUTPUT = StoredOutput(1, 1, "stdout", "hello, world\n", _WHEN)
ActionRef = Annotated[str, Path(max_length=300, description="The action's ref.", examples=["demo.hello_python"])]
ExecutionId = Annotated[int, Path(ge=1, le=MAX_ID, description="The execution's number.", examples=[7])]
OfPack = Annotated[str | None, Query(max_length=300, description="Only those of this pack.", examples=["demo"])]
OfAction = Annotated[str | None, Query(max_length=300, description="Only those of this action.")]
OfWorker = Annotated[str | None, Query(max_length=300, description="Only those that this worker has or had.")]
OfStatus = Annotated[ExecutionStatus | None, Query(description="Only those of this status.")]

OlderThan = Annotated[float | None, Query(ge=0, le=1e9, description="Only those asked for so long ago.")]
Confirm = Annotated[bool, Query(description="End them.")]


def _with_requirement(action, plain):  # type: ignore[no-untyped-def]  # one that says what it returns is its schema
    try:
        requirement = str(action.requirement)
    except RequirementError:
        requirement = None
    return {**plain(action), "requirement": requirement}


ActionItem = Annotated[Action, WrapSerializer(_with_requirement)]


class RunRequest(Body):
    """How to run an action. Times are in seconds."""

    parameters: dict[str, Any] = Field(default={}, examples=[{"name": "world"}])
    require: list[str] = Field(default=[], max_length=MAX_TERMS, examples=[["zone=eu"]])
    policy: Policy = Field(default=Policy.WAIT, strict=False, examples=["wait"])
    wait_seconds: float | None = Field(
        default=None, gt=0, le=1e9, description="Fail it if no worker could take it for so long.", examples=[600.0]
    )
    timeout_seconds: float | None = Field(default=None, gt=0, le=31_622_400, examples=[30.0])
    priority: int | None = Field(default=None, ge=LEAST_PRIORITY, le=MOST_PRIORITY, description=_PRIORITY, examples=[5])
    not_before: AwareDatetime | None = Field(
        default=None, strict=False, description="Start it then, not before.", examples=[_WHEN]
    )
    delay_seconds: float | None = Field(
        default=None, gt=0, le=LONGEST_SECONDS, description="Start it so long from now.", examples=[600.0]
    )


class ExecutionExplanation(BaseModel):
    """Where an execution could run, and why it does not: as data and in words."""

    explanation: dict[str, Any] = Field(examples=[{"outcome": "blocked", "total": 1}])
    text: str = Field(examples=["BLOCKED 12s   policy wait"])


_ACTION = asdict(
    Action(
        ref="demo.hello_python", pack_ref="demo", id=7, label="Hello from Python", entrypoint="hello.py",
        description="Says which interpreter it runs with.", runtime="python", runtime_ref="core.python",
        version_constraint=">=3.9", requires=("zone=eu",), param_schema={"type": "object"}, pack_digest="0f2b…",
    )
) | {"requirement": "core.python >=3.9; zone=eu"}  # fmt: skip


@actions.get("", summary="List actions", responses=example_of(_ACTION, listed=True))
async def list_actions(_who: Reader, services: Given, pack: OfPack = None) -> Page[ActionItem]:
    """By ref: all of them, or those of one pack."""
    return Page(data=list(await services.runs.actions(pack)))


@actions.get("/{ref}", summary="Show an action", responses=example_of(_ACTION))
async def get_action(_who: Reader, services: Given, ref: ActionRef) -> ActionItem:
    """What it needs and takes. `requirement`: with its runtime, null where that cannot be read."""
    return await _action(services, ref)


@actions.post("/{ref}/run", status_code=201, summary="Run an action", responses=example_of(_EXECUTION, status=201))
async def run_action(
    _who: Operator, services: Given, response: Response, ref: ActionRef, body: RunRequest
) -> ExecutionRecord:
    """Recorded at once, and run on a worker that satisfies the action and the terms of `require`."""
    asked = dict(body)
    extra = tuple(asked.pop("require"))
    execution = await services.runs.run(NewExecution(await _action(services, ref), extra=extra, **asked))
    response.headers["Location"] = f"/api/executions/{execution.id}"
    return execution


@executions.get("", summary="List executions", responses=example_of(_EXECUTION, listed=True))
async def list_executions(
    _who: Reader,
    services: Given,
    status: OfStatus = None,
    action: OfAction = None,
    worker: OfWorker = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ExecutionRecord]:
    """Newest first: all of them, or those of a status, an action, a worker."""
    wanted = ExecutionFilter(status.value if status else None, action, worker, before_of(cursor), limit)
    records = await services.runs.list(wanted)
    return Page(data=list(records), next=cursor_of([records[-1].id] if len(records) == limit else None))


@executions.post("/cancel", summary="End many", responses=example_of(CancelledExecutions(1, [_EXECUTION])))
async def cancel_executions(
    _who: Operator,
    services: Given,
    status: OfStatus = None,
    action: OfAction = None,
    worker: OfWorker = None,
    older_than_seconds: OlderThan = None,
    confirm: Confirm = False,
) -> CancelledExecutions:
    """Those that are like that and have not ended. Without `confirm` they are only told."""
    wanted = ExecutionFilter(status, action, worker, limit=10, older_than=older_than_seconds)
    return await services.runs.cancel_all(wanted, preview=not confirm)


@executions.get("/{execution_id}", summary="Show an execution", responses=example_of(_EXECUTION))
async def get_execution(_who: Reader, services: Given, execution_id: ExecutionId) -> ExecutionRecord:
    """Its status, where it runs or ran and with what, and its result."""
    return await _execution(services, execution_id)


@executions.get("/{execution_id}/output", summary="What it printed", responses=example_of(_OUTPUT, listed=True))
async def get_execution_output(
    _who: Reader, services: Given, execution_id: ExecutionId, cursor: Cursor = None
) -> Page[StoredOutput]:
    """In order, as it was stored while it ran. `next` goes on where this ends."""
    await _execution(services, execution_id)
    position = position_of(cursor, int, int)
    after = (0, 0) if position is None else (min(position[0], 2**31 - 1), min(position[1], 2**31 - 1))
    pieces = await services.runs.output(execution_id, after)
    last = (pieces[-1].attempt, pieces[-1].number) if pieces else None
    return Page(data=list(pieces), next=cursor_of(last))


@executions.get("/{execution_id}/explanation", summary="Why it waits")
async def get_execution_explanation(_who: Reader, services: Given, execution_id: ExecutionId) -> ExecutionExplanation:
    """Which workers could take it, why the others cannot, and what would help. Empty until its needs are known."""
    explanation = await services.runs.explanation(await _execution(services, execution_id))
    return ExecutionExplanation(explanation=explanation.get("explanation", {}), text=explanation.get("text", ""))


@executions.post(
    "/{execution_id}/cancel",
    status_code=202,
    summary="End it",
    responses=documented(409) | example_of(_EXECUTION, status=202),
)
async def cancel_execution(_who: Operator, services: Given, execution_id: ExecutionId) -> ExecutionRecord:
    """At once if it waits; if it runs, its processes are ended."""
    await _execution(services, execution_id)
    with usage_errors_as(409):
        return await services.runs.cancel(execution_id)


@executions.post(
    "/{execution_id}/retry",
    status_code=201,
    summary="Run it once more",
    responses=documented(409) | example_of(_EXECUTION, status=201),
)
async def retry_execution(_who: Operator, services: Given, execution_id: ExecutionId) -> ExecutionRecord:
    """A new execution of the same action with the same parameters, for one that has ended."""
    execution = await _execution(services, execution_id)
    if not execution.is_final:
        raise ProblemError(409, f"execution {execution_id}: expected one that has ended, got {execution.status}")
    return await services.runs.retry(execution_id)


async def _action(services: Given, ref: str) -> Action:
    if "\0" in ref or not ref.isprintable():
        raise ProblemError(404, "no action has such a ref")
    with usage_errors_as(404):
        return await services.runs.action(ref)


async def _execution(services: Given, number: int) -> ExecutionRecord:
    with usage_errors_as(404):
        return await services.runs.get(number)
