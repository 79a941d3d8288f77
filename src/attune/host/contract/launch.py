"""The execution contract: what every program gets that is started here, and the table of what differs by kind."""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attune.host.contract.environment import OFFLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramKind:
    """What differs between checks, actions and sensors; the texts are shown in the docs.

    `grace_seconds` pass between SIGTERM and SIGKILL; `variables` are added to the environment; with `offline` it cannot
    open TCP connections, where the kernel can forbid it.
    """

    name: str
    grace_seconds: float
    variables: Mapping[str, str]
    offline: bool
    stdin: str
    output: str
    time: str
    folder: str


CHECK = ProgramKind(
    name="check",
    grace_seconds=0.025,
    variables=OFFLINE,
    offline=True,
    stdin="closed",
    output="the first 64 KiB of each stream, as evidence",
    time="`timeout_seconds` of its command",
    folder="new and empty, removed afterwards",
)
ACTION = ProgramKind(
    name="action",
    grace_seconds=3.0,
    variables={"PYTHONUNBUFFERED": "1"},
    offline=False,
    stdin="its parameters",
    output="stored as it comes, up to a bound",
    time="`timeout_seconds` of the action or the execution",
    folder="new and empty, removed afterwards",
)
SENSOR = ProgramKind(
    name="sensor",
    grace_seconds=3.0,
    variables={"PYTHONUNBUFFERED": "1"},
    offline=False,
    stdin="its parameters",
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
class Launch:
    """One program to start, as a supervisor is told. `path` is executed with `argv` in `folder`.

    `until` is when its time is over, by `boottime`, None for never. `limits` are `setrlimit`'s arguments. `writable`
    are the only places where it may write, None for wherever its user may.
    """

    argv: Sequence[str]
    path: str
    folder: str
    environment: Mapping[str, str]
    grace_seconds: float
    until: float | None = None
    user: RunUser | None = None
    limits: tuple[tuple[int, int, int], ...] = ((resource.RLIMIT_CORE, 0, 0),)
    no_new_privileges: bool = True
    writable: tuple[str, ...] | None = None
    offline: bool = False

    def message(self) -> dict[str, Any]:
        """What the supervisor reads."""
        return {
            "argv": list(self.argv),
            "path": self.path,
            "folder": self.folder,
            "environment": dict(self.environment),
            "grace": self.grace_seconds,
            "until": self.until,
            "umask": 0o022,
            "user": self.user and (self.user.uid, self.user.gid, list(self.user.groups)),
            "limits": self.limits,
            "no_new_privileges": self.no_new_privileges,
            "writable": self.writable,
            "offline": self.offline,
        }
