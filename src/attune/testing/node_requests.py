"""What is asked of nodes, in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from attune.core.nodes.requests import NodeRequest
from attune.testing.nodes import MemoryFleet


@dataclass
class _Request:
    node: int
    kind: str
    body: Mapping[str, Any]
    expires: datetime
    answer: Mapping[str, Any] | None = None


class MemoryNodeRequests:
    """`NodeRequests` in memory, for the nodes of *fleet*, whose clock it goes by."""

    def __init__(self, fleet: MemoryFleet) -> None:
        self._fleet = fleet
        self._requests: list[_Request] = []

    async def ask(
        self, nodes: Sequence[int], kind: str, body: Mapping[str, Any], *, asked_by: str, lasts: float
    ) -> Mapping[int, int]:
        node_of = {}
        for node in (node for node in nodes if self._fleet.by_id(node)):
            self._requests.append(_Request(node, kind, body, self._fleet.now() + timedelta(seconds=lasts)))
            node_of[len(self._requests)] = node
        return node_of

    async def answers(self, requests: Collection[int]) -> Mapping[int, Mapping[str, Any]]:
        return {
            number: request.answer
            for number, request in enumerate(self._requests, 1)
            if number in requests and request.answer is not None
        }

    async def open(self, node_id: int, known: Collection[int] = ()) -> Sequence[NodeRequest]:
        now = self._fleet.now()
        return [
            NodeRequest(id=number, kind=row.kind, body=row.body, seconds_left=(row.expires - now).total_seconds())
            for number, row in enumerate(self._requests, 1)
            if row.node == node_id and row.answer is None and row.expires > now and number not in known
        ]

    async def answer(self, request: int, answer: Mapping[str, Any]) -> bool:
        row = self._requests[request - 1] if 0 < request <= len(self._requests) else None
        if row is None or row.answer is not None or row.expires <= self._fleet.now():
            return False
        row.answer = answer
        return True
