"""One started check and what it comes to: its process, its time limit, and the outcome when it is over."""

import signal
from dataclasses import dataclass

from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.contract.launch import CHECK
from attune.host.contract.supervisors import Ended
from attune.host.probing.process import CheckProcess
from attune.host.text import clean

_WITHOUT_MEMORY = (-signal.SIGSEGV, -signal.SIGBUS)  # of programs that got too little to say anything
_LAST_WAIT_SECONDS = 2.5  # for a process that does not even die, or a supervisor that is stopped


@dataclass(frozen=True, slots=True)
class Item:
    """One command of one line of work, found at `path`. `retried`: the system refused to start it once."""

    key: str
    command: Command
    path: str
    passed_over: tuple[str, ...] = ()
    retried: bool = False


@dataclass(slots=True, eq=False)
class Job:
    """A check that is running. `started` and `due` are of the monotonic clock, `at` is of the wall clock.

    Its supervisor ends it when its time is over; when it is `due`, not even that has helped.
    """

    item: Item
    process: CheckProcess
    real_path: str
    at: float
    started: float
    due: float = 0.0
    verdict: tuple[Ending, str] | None = None

    def __post_init__(self) -> None:
        self.due = self.started + self.command.timeout_seconds + CHECK.grace_seconds + _LAST_WAIT_SECONDS

    @property
    def command(self) -> Command:
        return self.item.command

    def kill(self, now: float, ending: Ending, detail: str) -> None:
        """End the check at once, with this verdict unless it has one already."""
        self.verdict = self.verdict or (ending, detail)
        self.process.kill()
        self.due = now + _LAST_WAIT_SECONDS

    def outcome(self, ended: Ended | None, now: float) -> Outcome:
        """What the check came to; None for *ended* where it is not known to have ended."""
        ending, detail = self._judge(ended)
        stdout, stderr = self.process.stdout, self.process.stderr
        return Outcome(
            ending,
            exit_code=ended.status if ended and ending is Ending.EXITED else None,
            stdout=clean(stdout.data),
            stderr=clean(stderr.data),
            detail=detail,
            path=self.item.path,
            real_path=self.real_path,
            duration_ms=(ended.seconds if ended else now - self.started) * 1000,
            at=self.at,
            truncated=stdout.truncated or stderr.truncated,
            passed_over=self.item.passed_over,
        )

    def _judge(self, ended: Ended | None) -> tuple[Ending, str]:
        if self.verdict is not None:
            return self.verdict
        if ended is None or ended.by == "time":
            return Ending.TIMED_OUT, f"timed out after {self.command.timeout_seconds:g} s"
        if ended.status is None:
            return Ending.UNDECIDED, "the process that ran it was killed"
        if ended.status in _WITHOUT_MEMORY and self.process.has_limited_memory:
            return Ending.UNDECIDED, f"killed by {_signal_name(-ended.status)}, as happens within a limit on memory"
        if ended.status < 0:
            return Ending.SIGNALED, f"killed by {_signal_name(-ended.status)}"
        return Ending.EXITED, ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
