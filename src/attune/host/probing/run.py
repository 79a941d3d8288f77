"""One call of the runner: starts as many checks as the machine bears, ends them in time, and collects outcomes."""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from attune.core.ports.runtimes import Next, RunObserver
from attune.core.runtimes.command import Command, Ending, Missing, Outcome
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.supervisors import Ended
from attune.host.probing.event_loop import EventLoop
from attune.host.probing.job import Item, Job
from attune.host.probing.limiter import Concurrency, Limiter
from attune.host.probing.path_index import PathIndex
from attune.host.probing.process import start
from attune.host.probing.refusal import NotStartedError


@dataclass(frozen=True, slots=True)
class RunnerContext:
    """What all runs of one runner share."""

    contract: ExecutionContract
    paths: PathIndex
    concurrency: Concurrency
    clock: Callable[[], float]


class Run:
    """The state of one call. Use it as a context: leaving it ends whatever still runs."""

    def __init__(self, context: RunnerContext, then: Next, observer: RunObserver | None, waker: int) -> None:
        self._context = context
        self._then = then
        self._observer = observer
        self._waker = waker
        self._queue: deque[Item] = deque()
        self._postponed: list[Item] = []  # the system refused to start them; until another check has ended
        self._jobs: set[Job] = set()
        self._began = time.monotonic()
        self._limiter = Limiter(context.concurrency)
        self._deadline = float("inf")
        self._closed = ""

    def __enter__(self) -> Self:
        self._contract = self._context.contract.now()
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._events = EventLoop(self._waker)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for job in self._jobs:
                job.kill(time.monotonic(), Ending.UNDECIDED, "interrupted")
            until = time.monotonic() + 1.0
            while self._jobs and time.monotonic() < until:
                for job in self._events.wait(until - time.monotonic()):
                    with contextlib.suppress(NotStartedError):
                        if (ended := job.process.news()) is not None:
                            self._dismiss(job, ended)
            for job in tuple(self._jobs):
                self._dismiss(job, None)
        finally:
            self._events.close()
            os.close(self._null)

    def execute(self, start: Mapping[str, Command], deadline_seconds: float | None) -> None:
        """Run every line of *start* to its end."""
        if deadline_seconds is not None:
            self._deadline = self._began + deadline_seconds - min(0.03, 0.1 * deadline_seconds)
        self._events.wait(0)  # a runner that was stopped starts nothing
        self._enforce_limits(self._began)
        self._context.paths.token()
        for key, command in start.items():
            self._admit(key, command)
        burst = len(self._queue) <= self._context.concurrency.burst
        while self._queue and burst and not self._limiter.full:
            self._start(self._queue.popleft())
        while self._jobs or self._queue:
            while self._queue and self._limiter.has_slot:
                self._start(self._queue.popleft())
            for job in self._events.wait(self._pause()):
                self._take_news(job)
            self._enforce_limits(time.monotonic())

    def _admit(self, key: str, command: Command | None) -> None:
        """Let *command* wait for its turn, or settle it and its successors where nothing is to be run."""
        while command is not None:
            if self._closed:
                command = self._report(key, command, Outcome(Ending.UNDECIDED, detail=self._closed), started=False)
                continue
            location = self._context.paths.find(command.binary, command.argv[1:])
            if not isinstance(location, Missing):
                self._queue.append(Item(key, command, location.path, location.passed_over))
                return
            command = self._report(key, command, Outcome(location.ending, detail=location.detail), started=False)

    def _start(self, item: Item) -> None:
        if self._observer is not None and not item.retried:
            self._observer.started(item.key, item.command)
        real_path = os.path.realpath(item.path)
        at, now = self._context.clock(), time.monotonic()
        try:
            process = start(item.command, item.path, self._contract, self._null)
        except NotStartedError as refusal:
            self._refused(item, refusal, real_path, at)
            return
        job = Job(item, process, real_path, at=at, started=now)
        self._jobs.add(job)
        self._limiter.entered(job)
        self._events.add(job)

    def _take_news(self, job: Job) -> None:
        """Take the news of a check; go on with its line if it is over."""
        try:
            ended = job.process.news()
        except NotStartedError as refusal:
            self._let_go(job, Ended(None))
            self._refused(job.item, refusal, job.real_path, job.at)
            return
        if ended is not None:
            self._finish(job, ended)

    def _refused(self, item: Item, refusal: NotStartedError, real_path: str, at: float) -> None:
        """The system did not start it: try once more when another check has ended, or report it."""
        if refusal.passing and not item.retried and self._jobs:
            self._limiter.narrow()
            self._postponed.append(replace(item, retried=True))
            return
        outcome = Outcome(refusal.ending, detail=refusal.detail, path=item.path, real_path=real_path, at=at)
        self._admit(item.key, self._report(item.key, item.command, outcome, started=True))

    def _finish(self, job: Job, ended: Ended | None) -> None:
        """Report the outcome of an ended process, and go on with its line."""
        outcome = self._dismiss(job, ended)
        self._resume()
        self._admit(job.item.key, self._report(job.item.key, job.command, outcome, started=True))

    def _resume(self) -> None:
        """Let those that were postponed try again."""
        self._queue.extend(self._postponed)
        self._postponed.clear()

    def _dismiss(self, job: Job, ended: Ended | None) -> Outcome:
        self._let_go(job, ended)
        return job.outcome(ended, time.monotonic())

    def _let_go(self, job: Job, ended: Ended | None) -> None:
        self._jobs.discard(job)
        self._limiter.left(job)
        self._events.remove(job)
        job.process.close(ended)

    def _report(self, key: str, command: Command, outcome: Outcome, *, started: bool) -> Command | None:
        if self._observer is not None:
            if not started:
                self._observer.started(key, command)
            self._observer.finished(key, command, outcome)
        return self._then(key, command, outcome)

    def _pause(self) -> float:
        """How long nothing needs to be done unless a process does something."""
        now = time.monotonic()
        due = min((job.due for job in self._jobs), default=now)
        pause = min(due, self._deadline) - now
        if self._queue:
            pause = min(pause, self._limiter.free_slots(now))
        return max(0.0, pause)

    def _enforce_limits(self, now: float) -> None:
        """Apply time limits, the deadline and a request to stop."""
        if not self._closed and self._events.woken:
            self._close(now, "interrupted", "interrupted")
        elif not self._closed and now >= self._deadline:
            self._close(now, "still running at the deadline", "not checked before the deadline")
        for job in tuple(self._jobs):
            if now >= job.due:
                self._finish(job, None)

    def _close(self, now: float, running: str, not_started: str) -> None:
        """End what runs and start nothing more."""
        self._closed = not_started
        self._deadline = float("inf")
        for job in self._jobs:
            job.kill(now, Ending.UNDECIDED, running)
        self._resume()
        waiting = tuple(self._queue)
        self._queue.clear()
        for item in waiting:
            self._admit(item.key, item.command)
