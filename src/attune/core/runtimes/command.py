"""A command to run on a host, and what running it came to."""

from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """How an attempt to run a command ended."""

    EXITED = "exited"
    SIGNALED = "signaled"  # died by a signal that we did not send
    TIMED_OUT = "timed out"  # we killed it
    NOT_FOUND = "not found"  # nothing of that name, or only directories and files that are not executable
    NOT_STARTED = "not started"  # the system refused to execute the file: broken interpreter line, wrong format
    REFUSED = "refused"  # the settings of this host forbid it
    UNDECIDED = "undecided"  # no judgement is possible: no memory, too many open files, deadline, interrupted


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, without a shell. `argv[0]` is a bare name looked up on PATH, or an absolute path."""

    argv: tuple[str, ...]
    timeout_seconds: float = 10.0

    @property
    def binary(self) -> str:
        return self.argv[0] if self.argv else ""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that this process may execute. `passed_over`: why files before it on PATH were not taken."""

    path: str
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a command cannot be tried; `detail` continues a sentence that begins with the command's name."""

    ending: Ending
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What running a command came to. Text is decoded with replacement and free of ANSI sequences.

    `detail` is the rest of a sentence that begins with the command's name and is set for every ending but
    `EXITED`: "not found on PATH", "/opt/x/python3 is a directory", "killed by SIGSEGV". `passed_over` is `Found`'s.
    """

    ending: Ending
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    detail: str = ""
    path: str | None = None
    real_path: str | None = None
    duration_ms: float = 0.0
    at: float | None = None
    cached_age: float | None = None
    truncated: bool = False
    passed_over: tuple[str, ...] = ()
