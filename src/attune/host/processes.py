"""The processes of this machine: signals to a group, and what `/proc` says, which may be outdated when it is read."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What a process belongs to."""

    parent: int
    group: int
    session: int


def signal_group(group: int, number: int) -> None:
    """Send signal *number* to every process of *group*; nothing happens if none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def process_state(pid: int) -> ProcessState | None:
    """The state of process *pid*; None if it is gone."""
    fields = read_bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return ProcessState(*map(int, fields[1:4])) if len(fields) >= 4 else None


def children(pid: int) -> list[int]:
    """The children of *pid*, of all its threads."""
    pids: list[int] = []
    for task in _numbers(f"/proc/{pid}/task"):
        path = f"/proc/{pid}/task/{task}/children"
        listed = read_bytes(path)
        if not listed and not os.path.exists(path):  # noqa: PTH110
            return _children_by_scan(pid) if process_state(pid) else pids
        pids += map(int, listed.split())
    return pids


def every_process() -> list[int]:
    """All processes that this one can see."""
    return _numbers("/proc")


def _numbers(folder: str) -> list[int]:
    """The names in *folder* that are numbers; none if it is gone."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208
    return []


def read_bytes(path: str, limit: int = 1 << 17) -> bytes:
    """The beginning of a file of `/proc`; empty if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _children_by_scan(pid: int) -> list[int]:
    states = ((other, process_state(other)) for other in every_process())
    return [other for other, state in states if state is not None and state.parent == pid]
