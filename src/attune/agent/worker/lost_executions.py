"""Work that a node has left behind: found by the heartbeats it misses, and tried again or given up."""

from __future__ import annotations

from collections.abc import Callable, Collection

from attune.agent.logs import log
from attune.core.executions.action import OnLost
from attune.core.executions.execution import ExecutionStatus, RetryRule, after_loss
from attune.core.ports.executions import AttemptResult
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions


class LostExecutions:
    """Settles attempts that nobody runs any more."""

    def __init__(self, executions: PostgresExecutions, routing: PostgresRouting) -> None:
        self._executions = executions
        self._routing = routing

    async def others(self) -> int:
        """Settle the attempts of nodes that are gone; how many."""
        return await self._settle(await self._routing.lost())

    async def own(self, worker: int, known: Callable[[], Collection[int]]) -> int:
        """Settle attempts that are said to run on *worker* and do not: not among those *known* before and after."""
        before = set(known())
        held = await self._routing.held(worker)
        after = set(known())
        return await self._settle([one for one in held if one[0] not in before and one[0] not in after])

    async def _settle(self, lost: list[tuple[int, int, str, int, str, str]]) -> int:
        settled = []
        for execution, attempt, on_lost, losses, status, name in lost:
            asked = status == ExecutionStatus.CANCELING
            then = after_loss(RetryRule(on_lost=OnLost(on_lost)), worker=name, losses=losses, cancel_asked=asked)
            settled.append(AttemptResult(execution, attempt, then.status.value, then.reason, lost=True))
        if not settled:
            return 0
        count = len(await self._executions.settle(settled))
        log.info(f"{count} executions of workers that are gone are tried again or given up")
        return count
