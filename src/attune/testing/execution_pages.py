"""Actions, and executions as people read them, in memory."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from attune.core.errors import UsageError
from attune.core.executions.action import Action
from attune.core.executions.execution import FINAL
from attune.core.ports.executions import AskedExecution, ExecutionFilter, ExecutionRecord, Pause, StoredOutput
from attune.core.runtimes.aliases import nearest
from attune.testing.execution_rows import MemoryExecution
from attune.testing.executions import MemoryExecutions


class MemoryActions:
    """`ActionReader` in memory."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self._actions = {action.ref: action for action in sorted(actions, key=lambda action: action.ref)}

    async def list(self, pack_ref: str | None = None) -> Sequence[Action]:
        return [action for action in self._actions.values() if pack_ref in (None, action.pack_ref)]

    async def get(self, ref: str) -> Action:
        if ref in self._actions:
            return self._actions[ref]
        close = nearest(ref, self._actions)
        hint = f"did you mean {close}?" if close else "attune action list"
        raise UsageError(f"action: expected one that exists, got {ref!r}", hint=hint)


class MemoryExecutionPages:
    """`ExecutionReader`, `ExecutionLists`: what *store* holds. `ExecutionService` on both is an `ExecutionStore`."""

    def __init__(self, store: MemoryExecutions) -> None:
        self._store = store

    async def get(self, execution: int) -> ExecutionRecord | None:
        row = self._store.rows.get(execution)
        return None if row is None else replace(_record(row), timeline=tuple(row.timeline))

    async def list(self, wanted: ExecutionFilter) -> Sequence[ExecutionRecord]:
        numbers = sorted(await self.numbers(wanted), reverse=True)
        return [_record(self._store.rows[number]) for number in numbers[: wanted.limit]]

    async def numbers(self, wanted: ExecutionFilter) -> Sequence[int]:
        now = datetime.now(UTC)
        return [
            row.id
            for row in self._store.rows.values()
            if (wanted.before is None or row.id < wanted.before)
            and wanted.status in (None, row.status)
            and wanted.action_ref in (None, row.asked.action.ref)
            and wanted.worker_name in (None, row.worker_name)
            and (wanted.older_than is None or (now - row.created).total_seconds() > wanted.older_than)
            and not (wanted.unfinished and row.status in FINAL)
        ]

    async def output(self, execution: int, after: tuple[int, int] = (0, 0)) -> Sequence[StoredOutput]:
        return [
            StoredOutput(attempt, number, chunk.stream, chunk.text, self._store.rows[execution].created)
            for (printer, attempt, number), chunk in sorted(self._store.printed.items())
            if printer == execution and (attempt, number) > after
        ]

    async def pauses(self) -> Sequence[Pause]:
        paused = sorted(self._store.paused.items(), key=lambda one: one[0] or "")
        return [Pause(ref, datetime.now(UTC), by) for ref, by in paused]

    async def last_placeable(self, execution: int) -> tuple[float, str] | None:
        own, rows = self._store.rows.get(execution), self._store.rows.values()
        names = [row.worker_name for row in rows if own and row.queue == own.queue and row.attempt]
        return (0.0, names[-1]) if names else None

    async def asked(self, execution: int) -> AskedExecution | None:
        row = self._store.rows.get(execution)
        if row is None:
            return None
        return AskedExecution(row.asked.action.ref, row.asked.parameters, row.asked.extra)


def _record(row: MemoryExecution) -> ExecutionRecord:
    asked, action = row.asked, row.asked.action
    columns: dict[str, Any] = {
        **dict.fromkeys(column.name for column in fields(ExecutionRecord)),
        **{name: getattr(row, name) for name in ("id", "status", "attempt", "failures", "losses", "worker", "reason")},
        "action_ref": action.ref,
        "parameters": {name: "***" if name in action.secrets else value for name, value in asked.parameters.items()},
        "requirement": None if row.queue is None else str(asked.requirement),
        "policy": asked.policy.value,
        "retries": action.retries,
        "worker_name": row.worker_name or None,
        "result": row.result,
        "pack_digest": action.pack_digest,
        "timeout_seconds": asked.timeout_seconds or action.timeout_seconds,
        "dropped_bytes": 0,
        "retry_of": asked.retry_of,
        "priority": row.priority,
        "not_before": asked.not_before,
        "created": row.created,
        "updated": row.created,
        "waited": 0.0,
        "timeline": (),
    }
    return ExecutionRecord(**columns)
