"""Actions and executions over the API: `ExecutionStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attune.client.records import record_of
from attune.client.wire import Wire, segment
from attune.core.errors import UsageError
from attune.core.executions.action import Action, Delivery, OnLost
from attune.core.ports.executions import ExecutionFilter, ExecutionRecord, NewExecution, StoredOutput


class HttpExecutions:
    """`ExecutionStore` over the API."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._next: dict[tuple[int, tuple[int, int]], str] = {}

    async def actions(self, pack_ref: str | None = None) -> Sequence[Action]:
        query = {"pack": pack_ref} if pack_ref else {}
        return [_action(one) for one in (await self._wire.ask("GET", "/api/actions", query=query)).data["data"]]

    async def action(self, ref: str) -> Action:
        if not ref:
            raise UsageError("expected the ref of an action, got nothing", hint="attune action list")
        return _action((await self._wire.ask("GET", f"/api/actions/{segment(ref)}")).data)

    async def run(self, asked: NewExecution) -> ExecutionRecord:
        body = {
            "parameters": dict(asked.parameters),
            "require": list(asked.extra),
            "policy": asked.policy.value,
            "wait_seconds": asked.wait_seconds,
            "timeout_seconds": asked.timeout_seconds,
        }
        made = await self._wire.ask("POST", f"/api/actions/{segment(asked.action.ref)}/run", body=body)
        return record_of(ExecutionRecord, made.data)

    async def get(self, execution: int) -> ExecutionRecord:
        return record_of(ExecutionRecord, (await self._wire.ask("GET", f"/api/executions/{execution}")).data)

    async def list(self, wanted: ExecutionFilter) -> Sequence[ExecutionRecord]:
        asked = {"status": wanted.status, "action": wanted.action_ref, "worker": wanted.worker_name}
        query: dict[str, str | int] = {name: value for name, value in asked.items() if value}
        query["limit"] = wanted.limit
        found = (await self._wire.ask("GET", "/api/executions", query=query)).data["data"]
        return [record_of(ExecutionRecord, one) for one in found]

    async def output(self, execution: int, after: tuple[int, int] = (0, 0)) -> Sequence[StoredOutput]:
        cursor = self._next.get((execution, after))
        query = {"cursor": cursor} if cursor else {}
        found = (await self._wire.ask("GET", f"/api/executions/{execution}/output", query=query)).data
        pieces = [record_of(StoredOutput, one) for one in found["data"]]
        if pieces and found["next"]:
            self._next = {(execution, (pieces[-1].attempt, pieces[-1].number)): found["next"]}
        return pieces

    async def explanation(self, execution: ExecutionRecord) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (await self._wire.ask("GET", f"/api/executions/{execution.id}/explanation")).data
        return found

    async def cancel(self, execution: int) -> ExecutionRecord:
        return record_of(ExecutionRecord, (await self._wire.ask("POST", f"/api/executions/{execution}/cancel")).data)

    async def retry(self, execution: int) -> ExecutionRecord:
        return record_of(ExecutionRecord, (await self._wire.ask("POST", f"/api/executions/{execution}/retry")).data)


def _action(data: Mapping[str, Any]) -> Action:
    """The action that the API shows; its terms stand together in its requirement."""
    requirement = data["requirement"]
    return Action(
        ref=data["ref"],
        pack_ref=data["pack_ref"],
        label=data["label"],
        entrypoint=data["entrypoint"],
        description=data["description"],
        requires=() if requirement in (None, "*") else (requirement,),
        prefers=tuple(data["prefers"]),
        param_schema=data["param_schema"],
        delivery=Delivery(data["delivery"]),
        timeout_seconds=data["timeout_seconds"],
        retries=data["retries"],
        on_lost=OnLost(data["on_lost"]),
    )
