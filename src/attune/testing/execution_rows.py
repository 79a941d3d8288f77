"""Executions in memory, as their table has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from attune.core.executions.execution import DEFAULT_PRIORITY
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import StartedAttempt


@dataclass
class MemoryExecution:
    """One row of the table `execution`; `queue` is None until it has a class, `job` unless it is offered."""

    id: int
    asked: NewExecution
    status: str = "requested"
    queue: str | None = None
    job: int | None = None
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    lost_attempt: int | None = None
    worker: int | None = None
    worker_name: str = ""
    reason: str | None = None
    result: Any = None
    not_before: float = 0.0
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def priority(self) -> int:
        """As it was asked for, else of its action."""
        given = self.asked.priority if self.asked.priority is not None else self.asked.action.priority
        return DEFAULT_PRIORITY if given is None else given


def started_attempt(row: MemoryExecution) -> StartedAttempt:
    """What a worker is given of *row*."""
    action = row.asked.action
    return StartedAttempt(
        execution=row.id,
        attempt=row.attempt,
        action=action,
        parameters=row.asked.parameters,
        failures=row.failures,
        losses=row.losses,
        retries=action.retries,
        retry_delay_seconds=action.retry_delay_seconds,
        timeout_seconds=row.asked.timeout_seconds or action.timeout_seconds,
        on_lost=action.on_lost.value,
    )
