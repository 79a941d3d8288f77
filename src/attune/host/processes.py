"""The processes of this machine: signals to a group, and what `/proc` says, which may be outdated when it is read."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What a process does and belongs to: `state` is the letter of ps (R, S, D, Z …)."""

    state: str
    parent: int
    group: int
    session: int


def signal_group(group: int, number: int) -> None:
    """Send signal *number* to every process of *group*; nothing happens if none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def process_state(pid: int, task: int | None = None) -> ProcessState | None:
    """The state of process *pid*, or of its thread *task*; None if it is gone."""
    path = f"/proc/{pid}/stat" if task is None else f"/proc/{pid}/task/{task}/stat"
    fields = read_bytes(path).rpartition(b")")[2].split()
    if len(fields) < 4:
        return None
    return ProcessState(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]))


def children(pid: int) -> list[int]:
    """The children of *pid*, of all its threads."""
    pids: list[int] = []
    for task in tasks(pid):
        path = f"/proc/{pid}/task/{task}/children"
        listed = read_bytes(path)
        if not listed and not os.path.exists(path):  # noqa: PTH110
            return _children_by_scan(pid) if process_state(pid) else pids
        pids += map(int, listed.split())
    return pids


def tasks(pid: int) -> list[int]:
    """The threads of *pid*; empty if it is gone."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208
    return []


def every_process() -> Iterator[int]:
    """All processes that this one can see."""
    with contextlib.suppress(OSError):
        yield from (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208


def cpu_nanoseconds(pid: int) -> int:
    """The CPU time that all threads of *pid* have used, exactly; -1 if it is gone."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # the kernel's clock id of a process's CPU clock
    except OSError:
        return -1


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
