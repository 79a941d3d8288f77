"""What a worker takes jobs from, is told, and writes its attempts to."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from attune.core.executions.action import Action, OnLost
from attune.core.executions.execution import ExecutionStatus, after_loss
from attune.core.executions.work import Work, WorkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job that was taken from a queue: which execution to begin."""

    id: int
    execution: int
    queue: str


@dataclass(frozen=True, slots=True)
class AttemptStart:
    """A taken job that a node wants to begin, and the interpreters that it will use, by name."""

    job: QueuedJob
    interpreters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What an attempt came to. Accepted only while that attempt is the execution's present one."""

    execution: int
    attempt: int
    status: str
    reason: str = ""
    result: Any = None
    exit_code: int | None = None
    dropped_bytes: int = 0
    delay_seconds: float = 0.0
    failed: bool = False
    lost: bool = False
    not_started: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAttempt:
    """An attempt that is said to run on a node."""

    execution: int
    attempt: int
    on_lost: str
    losses: int
    status: str
    worker_name: str

    def lost(self, *, began: bool = True) -> AttemptResult:
        """What becomes of it once nobody runs it any more, or nobody *began* it."""
        if not began:
            reason = f"given back by worker {self.worker_name}: the database did not answer when it was to begin"
            return AttemptResult(self.execution, self.attempt, ExecutionStatus.SCHEDULING.value, reason)
        asked = self.status == ExecutionStatus.CANCELING
        then = after_loss(OnLost(self.on_lost), worker=self.worker_name, losses=self.losses, cancel_asked=asked)
        return AttemptResult(self.execution, self.attempt, then.status.value, then.reason, lost=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedAttempt:
    """An attempt that this node now owns: what to run. `sealed` are parameters that are encrypted."""

    execution: int
    attempt: int
    action: Action
    parameters: Mapping[str, Any]
    failures: int
    losses: int
    not_started: int = 0
    timeout_seconds: float | None
    sealed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """A piece of what an attempt printed."""

    execution: int
    attempt: int
    number: int
    stream: str
    text: str


class Signal(StrEnum):
    """What a worker is told of."""

    JOB = "job"  # there is a new job in the queue of that name
    CLASS = "class"  # there is a new requirement class, whose queue has that name
    REQUEST = "request"  # something was requested that has no class yet
    CANCEL = "cancel"  # the execution of that number is to end


@dataclass(frozen=True, slots=True)
class WorkerNotice:
    """One thing that a worker is told; `about` is a queue or the number of an execution."""

    signal: Signal
    about: str


class WorkerInbox(Protocol):
    """What one listener is told. All methods raise `DatabaseError`."""

    async def follow_queues(self, queues: Collection[str]) -> None:
        """Tell of new jobs in *queues*, and in no others."""

    async def receive(self, seconds: float) -> Sequence[WorkerNotice]:
        """What comes within *seconds*, as soon as there is something."""


class WorkQueue(Protocol):
    """The jobs that can be taken now, by queue; what records work puts it there. All methods raise `DatabaseError`."""

    async def take(
        self, queues: Collection[str], limit: int, waits: Mapping[str, float] | None = None
    ) -> Sequence[QueuedJob]:
        """At most *limit* jobs of *queues*: by priority, of equal ones the oldest first.

        Of a queue that is among *waits* only once its oldest job has been left for so many seconds. One that is not
        begun soon is offered to others again. What has waited for long goes before all else, every second time.
        """

    async def give_back(self, jobs: Collection[QueuedJob]) -> None:
        """Let others take *jobs*, which were taken and not begun."""

    async def filled(self, queues: Collection[str]) -> Sequence[str]:
        """Those of *queues* with jobs that nobody has taken, the most urgent ones first where there are many."""


class WorkRouting(Protocol):
    """Which worker reads which queue, and what waits where. All methods raise `DatabaseError`."""

    async def classes(self, queue: str | None = None) -> Mapping[str, str]:
        """Requirements by queue: all of them, or the one of *queue*."""

    async def label_names(self, names: Collection[str]) -> Collection[str]:
        """Those of *names* that a label of some node has, and no runtime that some node has looked for."""

    async def subscribe(self, worker: int, queues: Collection[str]) -> None:
        """Have *worker* read *queues* and no others, and offer what has waited for it."""

    async def promote(self, queues: Collection[str]) -> int:
        """Offer what waits in *queues*, where a live node reads them; how many."""

    async def classify(self) -> Sequence[str]:
        """Give what was requested without a class its class; the queues."""

    async def tidy(self) -> int:
        """Move what is due, what nobody reads any more and what has waited too long; how many executions."""

    async def settle_lost(self) -> int:
        """Have attempts whose node is gone tried again or given up, as their action wants; how many."""

    async def held(self, worker: int) -> Sequence[HeldAttempt]:
        """Attempts that are said to run on *worker*."""

    def listening(self) -> AbstractAsyncContextManager[WorkerInbox]:
        """Be told of new classes, requests, cancellations, and of jobs in the queues that are followed."""


class AttemptStore(Protocol):
    """What a worker writes of its attempts. All methods raise `DatabaseError`.

    Output or a result that is itself refused is set aside; *tries* is how often in a row it was refused before.
    """

    async def start(
        self, wanted: Sequence[AttemptStart], *, worker: int, name: str, running: int
    ) -> Mapping[int, StartedAttempt]:
        """Own the executions of taken jobs that may still be run, and remove the jobs; by execution.

        What is paused, or over the limit of its action, is not begun and waits.
        """

    async def settle(
        self, ended: Sequence[AttemptResult], *, worker: int | None = None, running: int = 0, tries: int = 0
    ) -> Collection[int]:
        """Write what attempts came to; the executions whose attempt was still the present one."""

    async def print(self, chunks: Sequence[OutputChunk], tries: int = 0) -> Collection[int]:
        """Store what attempts printed; the executions that still run that attempt."""

    async def resume(self, attempts: Mapping[int, int]) -> Collection[int]:
        """Own *attempts* again, by execution, that were taken from this node as lost and that nobody else has begun.

        Output and results do so by themselves.
        """

    async def note(self, execution: int, reason: str) -> None:
        """Say of what waits why it still does."""


Output = Callable[[str, str], Awaitable[None]]
"""Told of output as it comes: the stream (`stdout`, `stderr`) and text, decoded, free of NUL."""


class WorkRunner(Protocol):
    """Runs one piece of work on this host. Cancelling the call ends the whole process group before it returns."""

    async def run(self, work: Work, output: Output) -> WorkOutcome: ...
