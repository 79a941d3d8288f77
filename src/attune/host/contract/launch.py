"""The execution contract: what every program gets that is started here, and the table of what differs by kind."""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from attune.host.contract.environment import OFFLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramKind:
    """What differs between checks, actions and sensors; the texts are shown in the docs.

    `grace_seconds` pass between SIGTERM and SIGKILL; `variables` are added to the environment; with `offline` it cannot
    open TCP connections, where the kernel can forbid it. With `tells_start` its start is news, not only its end. With
    `reads_all` it can read what is hidden from others: it runs for so long that files are replaced meanwhile.
    """

    name: str
    grace_seconds: float = 3.0
    variables: Mapping[str, str] = field(default_factory=lambda: {"PYTHONUNBUFFERED": "1"})
    offline: bool = False
    tells_start: bool = True
    reads_all: bool = False
    stdin: str = "its parameters"
    output: str
    time: str
    folder: str


CHECK = ProgramKind(
    name="check",
    grace_seconds=0.025,
    variables=OFFLINE,
    offline=True,
    tells_start=False,
    stdin="closed",
    output="the first 64 KiB of each stream, as evidence",
    time="`timeout_seconds` of its command",
    folder="new and empty, removed afterwards",
)
ACTION = ProgramKind(
    name="action",
    output="stored as it comes, up to a bound",
    time="`timeout_seconds` of the action or the execution",
    folder="new and empty, removed afterwards",
)
SENSOR = ProgramKind(
    name="sensor",
    reads_all=True,
    output="stdout to its output log, stderr to the node's log",
    time="the lease of its node, again and again",
    folder="its own, kept as long as the sensor",
)
KINDS = (CHECK, ACTION, SENSOR)


@dataclass(frozen=True, slots=True)
class RunUser:
    """As whom programs run, where that is not the node's own user."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use, None for as much as the node itself: bytes of address space, and processes."""

    memory_bytes: int | None = None
    processes: int | None = None

    def as_arguments(self) -> tuple[tuple[int, int, int], ...]:
        """The arguments of `setrlimit`, one tuple for each limit."""
        wanted = ((resource.RLIMIT_AS, self.memory_bytes), (resource.RLIMIT_NPROC, self.processes))
        return tuple((number, value, value) for number, value in wanted if value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One program to start, as a supervisor is told. `path` is executed with `argv` in `folder`.

    Its time is over after `seconds`, and when it is `until` by `boottime`; None for never. `writable` are the only
    places where it may write, `readable` where it may read, None for wherever its user may. Without `tell` only its end
    is news.
    """

    argv: Sequence[str]
    path: str
    folder: str
    environment: Mapping[str, str]
    grace_seconds: float
    seconds: float | None = None
    until: float | None = None
    user: RunUser | None = None
    limits: Limits = field(default_factory=Limits)
    no_new_privileges: bool = True
    writable: tuple[str, ...] | None = None
    readable: tuple[str, ...] | None = None
    offline: bool = False
    tell: bool = True

    def message(self) -> dict[str, Any]:
        """What the supervisor reads."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {
            "user": self.user and (self.user.uid, self.user.gid, self.user.groups),
            "limits": self.limits.as_arguments(),
            "group_limits": (self.limits.memory_bytes, self.limits.processes),
        }
