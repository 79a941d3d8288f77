"""Have actions run: check what is asked for, record it, and say at once where nothing could ever take it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from attune.core.durations import coarse
from attune.core.errors import UsageError
from attune.core.executions.action import Action
from attune.core.executions.execution import FINAL, Policy
from attune.core.matching.explain import explain
from attune.core.matching.explanation import PlacementOutcome, Waiting
from attune.core.matching.fleet import Node
from attune.core.matching.known_names import KnownNames
from attune.core.matching.requirement import Requirement
from attune.core.matching.survey import survey
from attune.core.ports.executions import (
    ActionReader,
    CancelledExecutions,
    ExecutionFilter,
    ExecutionReader,
    ExecutionRecord,
    ExecutionWriter,
    NewExecution,
    Pause,
    StoredOutput,
)
from attune.operations.matching.place import every_name

_BY_OPERATOR = "cancelled by an operator"


@dataclass(frozen=True)
class ExecutionService:
    """`ExecutionStore` on the tables. `fleet` gives the workers, `names` those that requirements may use."""

    stored_actions: ActionReader
    writer: ExecutionWriter
    reader: ExecutionReader
    fleet: Callable[[], Awaitable[Sequence[Node]]]
    names: Callable[[], Awaitable[KnownNames | None]] = every_name

    async def actions(self, pack_ref: str | None = None) -> Sequence[Action]:
        return await self.stored_actions.list(pack_ref)

    async def action(self, ref: str) -> Action:
        return await self.stored_actions.get(ref)

    async def run(self, asked: NewExecution) -> ExecutionRecord:
        asked.check()
        (number,) = await self.writer.submit([asked])
        if asked.policy is not Policy.WAIT:
            await self._refuse_where_hopeless(number, asked)
        return await self.get(number)

    async def get(self, execution: int) -> ExecutionRecord:
        record = await self.reader.get(execution)
        if record is None:
            raise UsageError(f"execution: expected one that exists, got {execution}", hint="attune execution list")
        return record

    async def list(self, wanted: ExecutionFilter) -> Sequence[ExecutionRecord]:
        return await self.reader.list(wanted)

    async def output(self, execution: int, after: tuple[int, int] = (0, 0)) -> Sequence[StoredOutput]:
        return await self.reader.output(execution, after)

    async def cancel(self, execution: int) -> ExecutionRecord:
        before = await self.get(execution)
        if not await self.writer.cancel([execution], _BY_OPERATOR):
            raise UsageError(f"execution {execution}: expected one that has not ended, got {before.status}")
        return await self.get(execution)

    async def cancel_all(self, wanted: ExecutionFilter, *, preview: bool) -> CancelledExecutions:
        if wanted == ExecutionFilter(limit=wanted.limit):
            raise UsageError("expected which executions to cancel: an action, a status, a worker or an age, got none")
        if wanted.status in FINAL:
            raise UsageError(field="status", expected="one that is not final", got=wanted.status)
        wanted = replace(wanted, unfinished=True)
        newest, numbers = await self.reader.list(wanted), await self.reader.numbers(wanted)
        cancelled = numbers if preview else await self.writer.cancel(numbers, _BY_OPERATOR)
        return CancelledExecutions(len(cancelled), newest)

    async def set_paused(self, action_ref: str | None, by: str | None) -> bool:
        if action_ref is not None:
            await self.stored_actions.get(action_ref)
        return await self.writer.set_paused(action_ref, by)

    async def pauses(self) -> Sequence[Pause]:
        return await self.reader.pauses()

    async def retry(self, execution: int) -> ExecutionRecord:
        before, asked = await self.get(execution), await self.reader.asked(execution)
        if not before.is_final or asked is None:
            raise UsageError(
                f"execution {execution}: expected one that has ended, got {before.status}",
                hint=f"attune execution cancel {execution}",
            )
        action = await self.stored_actions.get(asked.action_ref)
        return await self.run(NewExecution(action, asked.parameters, tuple(asked.extra), retry_of=execution))

    async def explanation(self, execution: ExecutionRecord) -> Mapping[str, Any]:
        if execution.requirement is None:
            return {}
        requirement = Requirement.parse(execution.requirement)
        left = None
        if execution.deadline is not None:
            left = (execution.deadline - execution.created).total_seconds() - execution.waited
        waiting = Waiting(execution.waited, execution.policy or "wait", left, execution.held_back)
        explained = explain(requirement, await self.fleet(), known=await self.names())
        is_blocked = explained.outcome is PlacementOutcome.BLOCKED
        before = await self.reader.last_placeable(execution.id) if is_blocked else None
        history = before and f"last placeable {coarse(before[0])} ago, on {before[1]}"
        explanation = replace(explained, waiting=waiting, history=history)
        return {"explanation": explanation.to_data(), "text": str(explanation)}

    async def _refuse_where_hopeless(self, execution: int, asked: NewExecution) -> None:
        """Apply the policy, unless a node might take it: one that is busy, or late with its heartbeat, still might."""
        requirement = asked.requirement
        if all(profile.is_hopeless for profile in survey(requirement, await self.fleet()).profiles):
            status = "failed" if asked.policy is Policy.FAIL else "cancelled"
            await self.writer.refuse(execution, status, f"no node can take it, which needs {requirement}")
