"""Executions in memory, as their table has them."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from attune.core.executions.execution import DEFAULT_PRIORITY
from attune.core.executions.timeline import TimelineEntry
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import StartedAttempt, WorkerNotice


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
    not_started: int = 0
    lost_attempt: int | None = None
    worker: int | None = None
    worker_name: str = ""
    reason: str | None = None
    result: Any = None
    not_before: float = 0.0
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    timeline: list[TimelineEntry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.record("requested")

    def change(self, status: str, reason: str | None = None) -> None:
        """Take on *status* for *reason*, and record that."""
        self.status, self.reason = status, reason
        self.record(status, reason)

    def record(self, status: str, reason: str | None = None) -> None:
        """Have one entry more in the timeline."""
        worker = None if status in ("requested", "scheduled") else self.worker_name or None
        number, now = len(self.timeline) + 1, datetime.now(UTC) if self.timeline else self.created
        self.timeline.append(TimelineEntry(number, now, status, self.attempt, worker, reason))

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
        parameters=row.asked.with_defaults,
        failures=row.failures,
        losses=row.losses,
        not_started=row.not_started,
        timeout_seconds=row.asked.timeout_seconds or action.timeout_seconds,
    )


class MemoryInbox:
    """`WorkerInbox`."""

    def __init__(self, require_database: Callable[[], None]) -> None:
        self._require_database = require_database
        self.queues: set[str] = set()
        self.notices: asyncio.Queue[WorkerNotice] = asyncio.Queue()

    async def follow_queues(self, queues: Collection[str]) -> None:
        self._require_database()
        self.queues = set(queues)

    async def receive(self, seconds: float) -> Sequence[WorkerNotice]:
        self._require_database()
        try:
            async with asyncio.timeout(seconds):
                return [await self.notices.get()]
        except TimeoutError:
            return []
