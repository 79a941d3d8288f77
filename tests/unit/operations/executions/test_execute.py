"""What is asked for is checked, recorded, and refused at once where no node could ever take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attune.core.errors import UsageError
from attune.core.executions.action import Action
from attune.core.executions.execution import Policy
from attune.core.matching.fleet import Node
from attune.core.ports.executions import ExecutionFilter, ExecutionRecord, NewExecution
from attune.operations.executions.execute import ExecutionService
from attune.testing import MemoryActions, MemoryExecutionPages, MemoryExecutions
from fleets import capability, node

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACT = Action(
    "acme.act",
    "acme",
    "Act",
    "act.py",
    runtime="python",
    version_constraint=">=3.9",
    param_schema={"type": "object", "required": ["width"], "properties": {"width": {"type": "integer"}}},
)
READY = node(1, capability("python", "3.11.7"))
BUSY = node(2, capability("python", "3.11.7"), running=1, max_concurrent=1)
UNFIT = node(3, capability("ruby", "3.2"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def record(number: int, **keys: Any) -> ExecutionRecord:
    empty: dict[str, Any] = dict.fromkeys(ExecutionRecord.__dataclass_fields__)
    counts = {"attempt": 0, "failures": 0, "losses": 0, "retries": 0, "dropped_bytes": 0, "waited": 2.0}
    return ExecutionRecord(
        **{**empty, **counts, "id": number, "action_ref": "acme.act", "status": "requested", "created": NOW, **keys}
    )


def service(*fleet: Node) -> tuple[ExecutionService, MemoryExecutions]:
    tables = MemoryExecutions()

    async def nodes() -> Sequence[Node]:
        return fleet

    return ExecutionService(MemoryActions([ACT]), tables, MemoryExecutionPages(tables), nodes), tables


def asked(policy: Policy = Policy.WAIT, **keys: Any) -> NewExecution:
    return NewExecution(ACT, keys.pop("parameters", {"width": 3}), policy=policy, **keys)


async def test_parameters_that_do_not_fit_are_refused_before_anything_is_recorded() -> None:
    executions, tables = service(READY)
    with pytest.raises(UsageError, match=r"parameters\.width: expected .* got 'wide'"):
        await executions.run(asked(parameters={"width": "wide"}))

    assert tables.rows == {}


@pytest.mark.parametrize(
    ("policy", "fleet", "status"),
    [
        (Policy.WAIT, (UNFIT,), "requested"),
        (Policy.FAIL, (UNFIT,), "failed"),
        (Policy.CANCEL, (UNFIT,), "cancelled"),
        (Policy.FAIL, (), "failed"),
        (Policy.FAIL, (UNFIT, READY), "requested"),
        (Policy.FAIL, (UNFIT, BUSY), "requested"),
    ],
)
async def test_work_is_refused_at_once_only_where_no_node_could_ever_take_it(
    policy: Policy, fleet: tuple[Node, ...], status: str
) -> None:
    executions, _ = service(*fleet)
    made = await executions.run(asked(policy))

    assert made.status == status
    assert (made.reason or "").startswith("no node can take it, which needs python >=3.9" if made.is_final else "")


async def test_what_has_ended_cannot_be_cancelled_and_what_has_not_cannot_be_retried() -> None:
    executions, tables = service(READY)
    made = await executions.run(asked(extra=("zone=eu",)))
    with pytest.raises(UsageError, match="expected one that has ended, got requested"):
        await executions.retry(made.id)
    assert (await executions.cancel(made.id)).reason == "cancelled by an operator"
    with pytest.raises(UsageError, match="expected one that has not ended, got cancelled"):
        await executions.cancel(made.id)

    again = await executions.retry(made.id)
    assert again.id != made.id
    assert (tables.rows[again.id].asked.retry_of, tables.rows[again.id].asked.extra) == (made.id, ("zone=eu",))


async def test_an_unknown_number_is_said() -> None:
    executions, _ = service()
    with pytest.raises(UsageError, match="execution: expected one that exists, got 7"):
        await executions.get(7)


async def test_what_waits_is_explained_from_the_fleet_with_the_time_that_is_left() -> None:
    executions, _ = service(UNFIT)
    waiting = record(1, requirement="python >=3.9", deadline=NOW + timedelta(seconds=60))

    assert await executions.explanation(record(1)) == {}
    assert "python >=3.9" in (await executions.explanation(waiting))["text"]
    assert "explanation" in await executions.explanation(record(1, requirement="*"))


async def test_lists_are_passed_on() -> None:
    executions, _ = service(READY)
    made = await executions.run(asked())

    assert await executions.list(ExecutionFilter(limit=1)) == [replace(made, timeline=())]
    assert await executions.actions("acme") == [ACT]
    assert await executions.action("acme.act") == ACT
    assert list(await executions.output(made.id, (1, 2))) == []
