"""Work that a node has left behind: found by the heartbeats it misses, and tried again or given up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from attune.agent.logs import log
from attune.core.executions.action import OnLost
from attune.core.executions.execution import ExecutionStatus, RetryRule, after_loss
from attune.core.ports.worker import AttemptResult, AttemptStore, HeldAttempt, WorkRouting


class LostExecutions:
    """Settles attempts that nobody runs any more."""

    def __init__(self, attempts: AttemptStore, routing: WorkRouting) -> None:
        self._attempts = attempts
        self._routing = routing

    async def others(self) -> int:
        """Settle the attempts of nodes that are gone; how many."""
        return await self._settle(await self._routing.lost())

    async def own(self, worker: int, known: Callable[[], Collection[int]]) -> int:
        """Settle attempts that are said to run on *worker* and do not: not among those *known* before and after."""
        before = set(known())
        held = await self._routing.held(worker)
        runs = before.union(known())
        return await self._settle([attempt for attempt in held if attempt.execution not in runs])

    async def _settle(self, lost: Sequence[HeldAttempt]) -> int:
        if not lost:
            return 0
        count = len(await self._attempts.settle([_result(attempt) for attempt in lost]))
        log.info(f"{count} executions of workers that are gone are tried again or given up")
        return count


def _result(lost: HeldAttempt) -> AttemptResult:
    then = after_loss(
        RetryRule(on_lost=OnLost(lost.on_lost)),
        worker=lost.worker_name,
        losses=lost.losses,
        cancel_asked=lost.status == ExecutionStatus.CANCELING,
    )
    return AttemptResult(lost.execution, lost.attempt, then.status.value, then.reason, lost=True)
