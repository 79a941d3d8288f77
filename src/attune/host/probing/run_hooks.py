"""What a runner tells about the processes it runs, and asks about earlier ones; `outcome_cache` listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from attune.core.runtimes.command import Command, Outcome
from attune.host.probing.concurrency import Expectation


@dataclass(frozen=True, slots=True)
class Trace:
    """What was seen of a process besides its outcome.

    `forked`: it had children of its own. `replaced`: it became another program. `cpu_ms` includes its children.
    """

    cpu_ms: float
    forked: bool
    replaced: bool


class Journal(Protocol):
    """Remembers commands between runs. Called from the threads that run them."""

    def expected(self, command: Command) -> Expectation | None:
        """What *command* cost earlier, or None."""
        ...

    def starting(self, command: Command, path: str, real_path: str) -> object:
        """Called just before the file is executed; the answer comes back in `ended`."""
        ...

    def ended(self, ticket: object, command: Command, outcome: Outcome, trace: Trace) -> None:
        """Called once the process is over."""
        ...
