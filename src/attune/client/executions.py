"""Actions and executions over the API: `ExecutionStore`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from attune.client.wire import OverWire, Wire, record_of, segment
from attune.core.errors import UsageError
from attune.core.executions.action import Action, Delivery, OnLost
from attune.core.executions.timeline import TimelineEntry
from attune.core.ports.executions import (
    CancelledExecutions,
    ExecutionFilter,
    ExecutionRecord,
    NewExecution,
    Pause,
    StoredOutput,
)


class HttpExecutions(OverWire):
    """`ExecutionStore` over the API."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._next: dict[tuple[int, tuple[int, int]], str] = {}

    async def actions(self, pack_ref: str | None = None) -> Sequence[Action]:
        page = await self._wire.get("/api/actions", **({"pack": pack_ref} if pack_ref else {}))
        return [_action(data) for data in page["data"]]

    async def action(self, ref: str) -> Action:
        if not ref:
            raise UsageError("expected the ref of an action, got nothing", hint="attune action list")
        return _action(await self._wire.get(f"/api/actions/{segment(ref)}"))

    async def run(self, asked: NewExecution) -> ExecutionRecord:
        plain = ("policy", "wait_seconds", "timeout_seconds", "priority", "delay_seconds")
        body = {name: getattr(asked, name) for name in plain}
        body |= {"parameters": dict(asked.parameters), "require": list(asked.extra)}
        body["not_before"] = asked.not_before and asked.not_before.isoformat()
        return await self._post(f"/api/actions/{segment(asked.action.ref)}/run", body)

    async def get(self, execution: int) -> ExecutionRecord:
        return _record(await self._wire.get(f"/api/executions/{execution}"))

    async def list(self, wanted: ExecutionFilter) -> Sequence[ExecutionRecord]:
        page = await self._wire.get("/api/executions", **_filters(wanted), limit=wanted.limit)
        return [_record(data) for data in page["data"]]

    async def output(self, execution: int, after: tuple[int, int] = (0, 0)) -> Sequence[StoredOutput]:
        cursor = self._next.get((execution, after))
        page = await self._wire.get(f"/api/executions/{execution}/output", **({"cursor": cursor} if cursor else {}))
        pieces = [record_of(StoredOutput, data) for data in page["data"]]
        if pieces and page["next"]:
            self._next = {(execution, (pieces[-1].attempt, pieces[-1].number)): page["next"]}
        return pieces

    async def explanation(self, execution: ExecutionRecord) -> Mapping[str, Any]:
        explanation: Mapping[str, Any] = await self._wire.get(f"/api/executions/{execution.id}/explanation")
        return explanation

    async def cancel(self, execution: int) -> ExecutionRecord:
        return await self._post(f"/api/executions/{execution}/cancel")

    async def cancel_all(self, wanted: ExecutionFilter, *, preview: bool) -> CancelledExecutions:
        query = _filters(wanted) | ({} if preview else {"confirm": "true"})
        data = (await self._wire.ask("POST", "/api/executions/cancel", query=query)).data
        return record_of(CancelledExecutions, data, executions=[_record(one) for one in data["executions"]])

    async def set_paused(self, action_ref: str | None, by: str | None) -> bool:
        before = await self.pauses()
        if by is not None:
            await self._wire.ask("POST", "/api/pauses", body={"action": action_ref})
        else:
            await self._wire.ask("DELETE", "/api/pauses", query={"action": action_ref} if action_ref else None)
        return (action_ref in {pause.action_ref for pause in before}) == (by is None)

    async def pauses(self) -> Sequence[Pause]:
        return [record_of(Pause, data) for data in (await self._wire.get("/api/pauses"))["data"]]

    async def retry(self, execution: int) -> ExecutionRecord:
        return await self._post(f"/api/executions/{execution}/retry")

    async def _post(self, path: str, body: object = None) -> ExecutionRecord:
        return _record((await self._wire.ask("POST", path, body=body)).data)


def _filters(wanted: ExecutionFilter) -> dict[str, str]:
    filters = {"status": wanted.status, "action": wanted.action_ref, "worker": wanted.worker_name}
    age = "" if wanted.older_than is None else repr(wanted.older_than)
    return {name: value for name, value in {**filters, "older_than_seconds": age}.items() if value}


def _record(data: Any) -> ExecutionRecord:
    record = record_of(ExecutionRecord, data)
    return replace(record, timeline=tuple(record_of(TimelineEntry, entry) for entry in record.timeline))


def _action(data: Mapping[str, Any]) -> Action:
    lists = {name: tuple(data[name]) for name in ("requires", "prefers", "interpreter_args")}
    return record_of(Action, data, delivery=Delivery(data["delivery"]), on_lost=OnLost(data["on_lost"]), **lists)
