"""One run of an action or a sensor as a process: what to start, and what came of it. Starting it is `host/`'s."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import Any

from attune.core.executions.action import Delivery


@dataclass(frozen=True, slots=True)
class Work:
    """What to run. `interpreter` is the verified path, None where the entry point is executed itself.

    `entrypoint` is an absolute path. `environment` is added to the harmless variables that every run gets.
    `grace_seconds` pass between SIGTERM and SIGKILL; None: the contract's.
    `secrets` and `positional` are names of parameters, `masked` the texts that must not be seen in what it prints.
    """

    entrypoint: PurePath
    interpreter: str | None = None
    interpreter_args: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    masked: tuple[str, ...] = ()
    delivery: Delivery = Delivery.STDIN
    positional: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None
    result_file: str | None = None
    grace_seconds: float | None = None


class WorkEnding(StrEnum):
    """How a run ended."""

    EXITED = "exited"
    SIGNALED = "signaled"  # died by a signal that we did not send
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"  # we were asked to end it
    NOT_STARTED = "not started"  # its interpreter could not be executed, or the host does not admit it
    GIVEN_BACK = "given back"  # this node lacks the key to its secrets: another may have it
    BROKEN = "broken"  # it failed, and its interpreter does not start any more: nothing of it was run
    REFUSED = "refused"  # its entry point cannot be executed, or what it is to be given is not to be had: everywhere
    NO_PLACE = "no place"  # nothing could be run: no folder, space, descriptor or process is to be had on the host


@dataclass(frozen=True, slots=True)
class WorkOutcome:
    """What became of a run. `reason` is a sentence, empty after exit code 0.

    `result` is the declared file's or the last line of output that is a JSON value, None where there was none;
    `result_problem` says why it is not what was printed.
    """

    ending: WorkEnding
    exit_code: int | None = None
    signal: int | None = None
    result: Any = None
    result_problem: str | None = None
    reason: str = ""
    duration_seconds: float = 0.0
    dropped_bytes: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether it exited with 0."""
        return self.ending is WorkEnding.EXITED and self.exit_code == 0
