"""What `/proc` says about the processes of this machine. Every answer may be outdated when it is read."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessState:
    """Where a process stands: `state` is the letter of ps (R, S, D, Z …)."""

    state: str
    parent: int
    group: int
    session: int


def process_state(pid: int, task: int | None = None) -> ProcessState | None:
    """The standing of process *pid*, or of its thread *task*; None if it is gone."""
    place = f"/proc/{pid}/stat" if task is None else f"/proc/{pid}/task/{task}/stat"
    fields = read_bytes(place).rpartition(b")")[2].split()
    if len(fields) < 4:
        return None
    return ProcessState(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]))


def children(pid: int) -> list[int]:
    """The children of *pid*, of all its threads."""
    found: list[int] = []
    for task in tasks(pid):
        place = f"/proc/{pid}/task/{task}/children"
        listed = read_bytes(place)
        if not listed and not os.path.exists(place):  # noqa: PTH110
            return _children_by_scan(pid) if process_state(pid) else found
        found += map(int, listed.split())
    return found


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


def read_bytes(place: str, limit: int = 1 << 17) -> bytes:
    """The beginning of a file of `/proc`; empty if it cannot be read."""
    try:
        fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _children_by_scan(pid: int) -> list[int]:
    found = []
    for other in every_process():
        place = process_state(other)
        if place is not None and place.parent == pid:
            found.append(other)
    return found
