"""One call of the runner: starts checks at the pace of the machine, ends them in time, and tells what they came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

from attune.core.ports.runtimes import Next, RunObserver
from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.probing.concurrency import Concurrency
from attune.host.probing.event_loop import EventLoop
from attune.host.probing.job import Job, Phase, real_path_of
from attune.host.probing.limiter import Limiter
from attune.host.probing.path_index import Missing, PathIndex
from attune.host.probing.process import start
from attune.host.probing.queue import CommandQueue, Item
from attune.host.probing.refusal import NotStartedError
from attune.host.probing.run_hooks import Journal, Trace
from attune.host.probing.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Host:
    """What all runs of one runner share."""

    environment: Mapping[str, str]
    paths: PathIndex
    pace: Concurrency
    journal: Journal | None
    clock: Callable[[], float]


class Run:
    """The state of one call. Use it as a context: leaving it ends whatever still runs."""

    def __init__(self, host: Host, then: Next, observer: RunObserver | None, waker: int) -> None:
        self._host = host
        self._then = then
        self._observer = observer
        self._waker = waker
        self._backlog = CommandQueue()
        self._jobs: set[Job] = set()
        self._began = time.monotonic()
        self._gate = Limiter(host.pace)
        self._deadline = float("inf")
        self._closed = ""

    def __enter__(self) -> Run:
        self._place = Sandbox(self._host.environment)
        self._watch = EventLoop(self._waker, look_at_programs=self._host.journal is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for job in self._jobs:
                job.kill(time.monotonic(), Ending.UNDECIDED, "interrupted")
            for job in tuple(self._jobs):
                job.process.wait_dead(1.0)
                self._dismiss(job)
        finally:
            self._watch.close()
            self._place.close()

    def execute(self, start: Mapping[str, Command], deadline_seconds: float | None) -> None:
        """Run every line of *start* to its end."""
        if deadline_seconds is not None:
            self._deadline = self._began + deadline_seconds - min(0.03, 0.1 * deadline_seconds)
        self._watch.wait(0)  # a runner that was stopped starts nothing
        self._tend(self._began)
        self._host.paths.token()
        for key, command in start.items():
            self._admit(key, command)
        if self._host.pace.slots < self._backlog.unknown <= self._host.pace.burst:
            self._burst()
        while self._jobs or self._backlog:
            self._fill()
            for job in self._watch.wait(self._pause()):
                self._finish(job)
            self._tend(time.monotonic())

    def _admit(self, key: str, command: Command | None) -> None:
        """Let *command* wait for its turn, or settle it and its successors where nothing is to be run."""
        while command is not None:
            if self._closed:
                command = self._tell(key, command, Outcome(Ending.UNDECIDED, detail=self._closed), started=False)
                continue
            found = self._host.paths.find(command.argv[0] if command.argv else "")
            if not isinstance(found, Missing):
                journal = self._host.journal
                self._backlog.push(Item(key, command, found.path, journal.expected(command) if journal else None))
                return
            command = self._tell(key, command, Outcome(found.ending, detail=found.detail), started=False)

    def _fill(self) -> None:
        """Start what may start now."""
        while not self._gate.full and (item := self._backlog.pop(slot=self._gate.has_slot)) is not None:
            self._start(item)

    def _burst(self) -> None:
        """Start all there is. Each is held until the last has started: else every start would wait for a processor."""
        while not self._gate.full and (item := self._backlog.pop(slot=True)) is not None:
            if (job := self._start(item)) is not None:
                job.hold()
        for job in sorted(self._jobs, key=lambda job: job.started):
            job.release(time.monotonic())

    def _start(self, item: Item) -> Job | None:
        journal, command = self._host.journal, item.command
        if self._observer is not None and not item.retried:
            self._observer.started(item.key, command)
        real_path = real_path_of(item.path)
        ticket = journal.starting(command, item.path, real_path) if journal else None
        at, now = self._host.clock(), time.monotonic()
        try:
            process = start(command.argv, item.path, self._place.surroundings)
        except NotStartedError as refusal:
            if refusal.passing and not item.retried and self._jobs:
                self._gate.narrow()
                self._backlog.postpone(item)
                return None
            outcome = Outcome(refusal.ending, detail=refusal.detail, path=item.path, real_path=real_path, at=at)
            self._admit(item.key, self._tell(item.key, command, outcome, started=True))
            return None
        job = Job(item, process, real_path, ticket, at=at, started=now, due=now + command.timeout_seconds)
        self._jobs.add(job)
        self._place.marks.pipes.update((process.stdout.name, process.stderr.name))
        self._gate.entered(job)
        self._watch.add(job)
        return job

    def _finish(self, job: Job) -> None:
        """Collect an ended process, tell its outcome, and go on with its line."""
        outcome = self._dismiss(job)
        self._backlog.resume()
        self._admit(job.item.key, self._tell(job.item.key, job.command, outcome, started=True))

    def _dismiss(self, job: Job) -> Outcome:
        self._jobs.discard(job)
        self._gate.left(job)
        self._watch.remove(job)
        try:
            ended = job.process.end(lost=job.phase is Phase.LOST)
            outcome = job.outcome(ended, time.monotonic())
        finally:
            self._place.retain(job.process.close())
        self._place.marks.leaders.add(job.process.pid)
        if self._host.journal is not None and ended is not None:
            trace = Trace(ended.cpu_seconds * 1000, ended.forked, job.has_changed_program(ended))
            self._host.journal.ended(job.ticket, job.command, outcome, trace)
        return outcome

    def _tell(self, key: str, command: Command, outcome: Outcome, *, started: bool) -> Command | None:
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
        if self._backlog:
            pause = min(pause, self._gate.pause(now))
        return max(0.0, pause)

    def _tend(self, now: float) -> None:
        """Do what time demands: limits, the deadline, a request to stop, slots that only wait."""
        if not self._closed and self._watch.woken:
            self._shut(now, "interrupted", "interrupted")
        elif not self._closed and now >= self._deadline:
            self._shut(now, "still running at the deadline", "not checked before the deadline")
        for job in tuple(self._jobs):
            if now >= job.due:
                job.advance(now)
                if job.phase is Phase.LOST:
                    self._finish(job)
        if self._backlog:
            self._gate.look(now)

    def _shut(self, now: float, running: str, waiting: str) -> None:
        """End what runs and start nothing more."""
        self._closed = waiting
        self._deadline = float("inf")
        for job in self._jobs:
            job.kill(now, Ending.UNDECIDED, running)
        for item in self._backlog.take_all():
            self._admit(item.key, item.command)
