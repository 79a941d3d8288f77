"""One started check and what it comes to: its process, its time limit, and the outcome when it is over."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import Enum, auto

from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.probing.process import Process
from attune.host.text import clean

GRACE_SECONDS = 0.025
_LAST_WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Item:
    """One command of one line of work, found at `path`. `retried`: the system refused to start it once."""

    key: str
    command: Command
    path: str
    passed_over: tuple[str, ...] = ()
    retried: bool = False


class Phase(Enum):
    """How far a check has been brought to its end."""

    RUNNING = auto()
    ASKED = auto()  # to end: SIGTERM
    KILLED = auto()
    LOST = auto()  # does not even die


@dataclass(slots=True, eq=False)
class Job:
    """A check that is running. Times are of the monotonic clock, `at` is of the wall clock."""

    item: Item
    process: Process
    real_path: str
    at: float
    started: float
    due: float
    phase: Phase = Phase.RUNNING
    verdict: tuple[Ending, str] | None = None

    @property
    def command(self) -> Command:
        return self.item.command

    def advance(self, now: float) -> None:
        """Take the next step towards the end of a check that is over its time limit."""
        if self.phase is Phase.RUNNING:
            self.verdict = (Ending.TIMED_OUT, f"timed out after {self.command.timeout_seconds:g} s")
            self.process.signal_group(signal.SIGTERM)
            self.phase, self.due = Phase.ASKED, now + GRACE_SECONDS
        elif self.phase is Phase.ASKED:
            self.process.signal_group(signal.SIGKILL)
            self.phase, self.due = Phase.KILLED, now + _LAST_WAIT_SECONDS
        else:
            self.phase = Phase.LOST

    def hold(self) -> None:
        """Keep the process from going on for a moment."""
        self.process.signal_group(signal.SIGSTOP)

    def release(self, now: float) -> None:
        """Let a held process go on; its time counts from *now*."""
        self.process.signal_group(signal.SIGCONT)
        self.started, self.due = now, now + self.command.timeout_seconds

    def kill(self, now: float, ending: Ending, detail: str) -> None:
        """End the check at once, with this verdict unless it has one already."""
        self.verdict = self.verdict or (ending, detail)
        self.process.signal_group(signal.SIGKILL)
        self.phase, self.due = Phase.KILLED, now + _LAST_WAIT_SECONDS

    def outcome(self, code: int | None, now: float) -> Outcome:
        """What the check came to. *code* is the exit code, -N for signal N, None if it is not known."""
        ending, detail = self._judge(code)
        stdout, stderr = self.process.stdout, self.process.stderr
        return Outcome(
            ending,
            exit_code=code if ending is Ending.EXITED else None,
            stdout=clean(stdout.data),
            stderr=clean(stderr.data),
            detail=detail,
            path=self.item.path,
            real_path=self.real_path,
            duration_ms=(now - self.started) * 1000,
            at=self.at,
            truncated=stdout.truncated or stderr.truncated,
            passed_over=self.item.passed_over,
        )

    def _judge(self, code: int | None) -> tuple[Ending, str]:
        if self.verdict is not None:
            return self.verdict
        if code is None:
            return Ending.UNDECIDED, "its exit status was taken by another part of this program"
        return (Ending.SIGNALED, f"killed by {_signal_name(-code)}") if code < 0 else (Ending.EXITED, "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
