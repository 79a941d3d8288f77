"""`WorkQueue` on Procrastinate's tables. It remembers nothing, so one can take jobs on behalf of many nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from attune.core.ports.worker import QueuedJob
from attune.queue.jobs import FILLED, GIVE_BACK, TAKE

Rows = Callable[[str, Mapping[str, Any]], Awaitable[Sequence[Mapping[str, Any]]]]


class ProcrastinateQueue:
    """`WorkQueue` on Procrastinate. *rows* runs a statement in a transaction of its own, and gives its rows."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def take(self, queues: Collection[str], limit: int) -> Sequence[QueuedJob]:
        if not queues or limit < 1:
            return []
        rows = await self._rows(TAKE, {"queues": sorted(queues), "limit": limit})
        return [QueuedJob(**row) for row in rows]

    async def give_back(self, jobs: Collection[QueuedJob]) -> None:
        await self._rows(GIVE_BACK, {"jobs": [job.id for job in jobs]})

    async def filled(self, queues: Collection[str]) -> set[str]:
        return {row["name"] for row in await self._rows(FILLED, {"queues": sorted(queues)})} if queues else set()
