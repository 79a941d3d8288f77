"""Nothing that a check started is left running: descendants that escaped their group are ended.

While a run lasts this process adopts orphans (child subreaper), so an escaped descendant ends up as its child.
The program that embeds Attune may have children too: only processes that bear a mark of the run are touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import threading
import time

from attune.host.processes import children, every_process, process_state, read_bytes

MARK_VARIABLE = "CHECK_RUN_MARK"
_SET_CHILD_SUBREAPER = 36
_GET_CHILD_SUBREAPER = 37
_LONGEST_SECONDS = 1.0


class Subreaper:
    """Makes this process adopt its orphaned descendants while at least one run lasts; then as it was before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 0
        self.active = False

    def __enter__(self) -> Subreaper:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._before = _get_subreaper()
                self.active = _set_subreaper(1)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                _set_subreaper(self._before)


SUBREAPER = Subreaper()


class ProcessMarks:
    """How the processes of one run are known: by session or group, label, environment, working folder or pipes.

    Each can be shaken off, but hardly all of them. `leaders` are the checks that are over, `pipes` all pipes.
    """

    def __init__(self, mark: str, label: int, folder: str) -> None:
        self.leaders: set[int] = set()
        self.pipes: set[str] = set()
        self._variable = f"{MARK_VARIABLE}={mark}".encode()
        self._label = str(label)
        self._folder = folder

    def bears(self, pid: int) -> bool:
        """Whether *pid* was started, directly or not, by a check of this run."""
        state = process_state(pid)
        if state is None:
            return False
        # A leader is collected before it is entered here, so one of that number is another process by now.
        belongs = pid not in self.leaders and (state.session in self.leaders or state.group in self.leaders)
        return (
            belongs
            or self._has_label(pid)
            or self._variable in read_bytes(f"/proc/{pid}/environ").split(b"\0")
            or self._is_inside(pid)
            or self._writes_to_us(pid)
        )

    def _has_label(self, pid: int) -> bool:
        limits = read_bytes(f"/proc/{pid}/limits").decode("ascii", "replace").splitlines()
        return any(line.startswith("Max file locks") and line.split()[3] == self._label for line in limits)

    def _is_inside(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._folder) and os.readlink(f"/proc/{pid}/cwd").startswith(self._folder)  # noqa: PTH115
        return False

    def _writes_to_us(self, pid: int) -> bool:
        # Other descriptors say nothing: a plain fork of this program holds copies of all of ours.
        for fd in (1, 2):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in self.pipes:  # noqa: PTH115
                    return True
        return False


def reap(marks: ProcessMarks) -> None:
    """End and collect every process that bears *marks*. Takes microseconds when there is none."""
    until = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < until:
        candidates = children(os.getpid()) if SUBREAPER.active else every_process()
        strays = [pid for pid in candidates if pid != os.getpid() and marks.bears(pid)]
        if not strays:
            return
        for pid in strays:
            _end(pid, marks, until)


def _end(pid: int, marks: ProcessMarks, until: float) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if not marks.bears(pid):  # the id was given to another meanwhile
            return
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        waiter = select.poll()
        waiter.register(pidfd, select.POLLIN)
        waiter.poll(max(1.0, (until - time.monotonic()) * 1000))
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    finally:
        os.close(pidfd)


def _set_subreaper(value: int) -> bool:
    nothing = ctypes.c_ulong(0)
    answer = ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(value), nothing, nothing, nothing)
    return bool(answer == 0)


def _get_subreaper() -> int:
    value = ctypes.c_int(0)
    nothing = ctypes.c_ulong(0)
    ctypes.CDLL(None).prctl(_GET_CHILD_SUBREAPER, ctypes.byref(value), nothing, nothing, nothing)
    return value.value
