"""Supervises one program at a time: starts it, ends it in time, and leaves nothing of it.

Runs in a process of its own (see `spawner`), and imports only the standard library. That process adopts the orphans
of what it started (child subreaper): it says that a program has ended only when nothing of it is left, not even a
daemon with a session of its own. When its socket is closed it ends what still runs: nothing outlives the node, even
after kill -9.

To a supervisor, one message each:
  start FDS      a file with the launch (JSON, see `Launch.message`), then stdin, stdout and stderr
  until SECONDS  let it run until that time of CLOCK_BOOTTIME
  signal NUMBER  send a signal to its process group
  stop           ask it to end, and kill it when its grace is over
From it, JSON: `{"pid"}`, or `{"errno", "at"}` where it could not be started, and in the end
`{"status", "by", "seconds", "left"}`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

from attune.host.contract.landlock import confine

_PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LAST_WAIT_SECONDS = 2.0
_NEVER = float("inf")
_LIBC = ctypes.CDLL(None, use_errno=True)


def now() -> float:
    """Seconds of a clock that also counts while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Supervisor:
    """Serves one socket: program after program, until the socket is closed."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Run what is asked for, one program after the other."""
        while True:
            message, fds = self._receive()
            if not message:
                return
            if message == b"start":  # what else there is came too late for a program that has ended
                self._run(fds)

    def _receive(self) -> tuple[bytes, list[int]]:
        try:
            message, fds, _, _ = socket.recv_fds(self._control, 256, 4, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return b"", []
        return message, fds

    def _run(self, fds: list[int]) -> None:
        with open(fds[0], "rb") as file:  # noqa: PTH123
            launch = json.loads(file.read())
        self._until, self._grace = launch["until"] or _NEVER, launch["grace"]
        self._deadline, self._ended_by = _NEVER, ""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        began = now()
        self._pid = os.fork()
        if not self._pid:
            _become(launch, fds[1:], writing)
        for fd in (writing, *fds[1:]):
            os.close(fd)
        pidfd = os.pidfd_open(self._pid)
        problem = self._keep(pidfd, reading)
        ended = now()
        os.close(pidfd)
        status, left = self._end_all()
        if problem:
            self._tell(problem)
        else:
            self._tell({"status": status, "by": self._ended_by, "seconds": ended - began, "left": left})

    def _keep(self, pidfd: int, starting: int) -> dict[str, Any]:
        """Obey until the process has ended; what kept it from being started, or nothing."""
        problem = b""
        self._poll.register(pidfd, select.POLLIN)
        self._poll.register(starting, select.POLLIN)
        while True:
            self._enforce()
            due = min(self._until, self._deadline) - now()
            ready = [fd for fd, _ in self._poll.poll(None if due == _NEVER else max(0.0, due) * 1000 + 1)]
            if starting in ready:
                problem = os.read(starting, 4096)
                self._poll.unregister(starting)
                os.close(starting)
                if not problem:
                    self._tell({"pid": self._pid})
                starting = -1
            if pidfd in ready and starting < 0:
                self._poll.unregister(pidfd)
                return json.loads(problem) if problem else {}
            if self._control.fileno() in ready:
                self._obey()

    def _enforce(self) -> None:
        moment = now()
        if moment >= self._deadline:
            self._deadline = _NEVER
            self._signal(signal.SIGKILL)
        elif moment >= self._until:
            self._until = _NEVER
            self._end("time")

    def _obey(self) -> None:
        message, _ = self._receive()
        verb, _, argument = message.partition(b" ")
        if verb == b"until":
            self._until = max(self._until, float(argument))
        elif verb == b"signal":
            self._signal(int(argument))
        elif verb == b"stop":
            self._end("asked")
        elif not message:
            self._poll.unregister(self._control)
            self._grace = 0.0
            self._end("node")

    def _end(self, by: str) -> None:
        self._ended_by = self._ended_by or by
        if self._grace:
            self._deadline = min(self._deadline, now() + self._grace)
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
        else:
            self._until = _NEVER
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)

    def _end_all(self) -> tuple[int | None, int]:
        """End and collect the process and all that it started; its status, and how many would not die in time."""
        self._signal(signal.SIGKILL)
        status: int | None = None
        until = time.monotonic() + _LAST_WAIT_SECONDS
        while True:
            for pid, ended in collected():
                status = os.waitstatus_to_exitcode(ended) if pid == self._pid else status
            left = list(children())
            if not left or time.monotonic() >= until:
                return status, len(left)
            kill_all(left)
            time.sleep(0.0005)

    def _tell(self, news: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._control.send(json.dumps(news).encode())


def _become(launch: dict[str, Any], fds: list[int], problems: int) -> None:
    """In the child: become the program that is to run."""
    at = launch["path"]
    try:
        os.setsid()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        os.umask(launch["umask"])
        for name, soft, hard in launch["limits"]:
            resource.setrlimit(name, (soft, hard))
        if launch["user"]:
            uid, gid, groups = launch["user"]
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        at = launch["folder"]
        os.chdir(at)
        at = launch["path"]
        if launch["no_new_privileges"]:
            prctl(_PR_SET_NO_NEW_PRIVS, 1)
        confine(launch["writable"], launch["offline"])
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.execve(at, launch["argv"], launch["environment"])
    except OSError as error:
        os.write(problems, json.dumps({"errno": error.errno, "at": at}).encode())
    except BaseException as error:
        os.write(problems, json.dumps({"errno": 0, "at": str(error)}).encode())
    finally:
        os._exit(127)


def children() -> Iterator[int]:
    """Ours, and those we adopted."""
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:  # noqa: PTH123
        yield from map(int, file.read().split())


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def collected() -> Iterator[tuple[int, int]]:
    """Every child that has ended, with its status."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def prctl(option: int, value: int) -> None:
    _LIBC.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
