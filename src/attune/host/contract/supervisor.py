"""Supervises one program at a time: starts it, ends it in time, and leaves nothing of it.

Runs in a process of its own (see `spawner`), and imports only the standard library. That process adopts the orphans
of what it started (child subreaper): it says that a program has ended only when nothing of it is left, not even a
daemon with a session of its own. When its socket is closed it ends what still runs: nothing outlives the node, even
after kill -9. What forks faster than it can be ended, its control group ends, and the supervisor with it.

To a supervisor, one message each:
  start FDS      a file with the launch (JSON, see `Launch.message`), then stdin, stdout and stderr
  until SECONDS  let it run until that time of CLOCK_BOOTTIME
  signal NUMBER  send a signal to its process group
  stop           ask it to end, and kill it when its grace is over
From it, JSON: `{"pid"}` if that is asked for, or `{"errno", "at"}` where it could not be started, and in the end
`{"status", "by", "seconds", "left"}`.
"""

import array
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
from typing import Any, NoReturn

from attune.host.contract.cgroups import ControlGroup
from attune.host.contract.landlock import confine

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
_PR_SET_NO_NEW_PRIVS = 38
_LAST_WAIT_SECONDS = 2.0
_QUICK_WAIT_SECONDS = 0.1  # where a control group does the rest
_NEVER = float("inf")
_LONGEST_WAIT = 3600.0  # poll knows no more than 2^31 milliseconds
_DEFAULT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ)
_LIBC = ctypes.CDLL(None, use_errno=True)


def now() -> float:
    """Seconds of a clock that also counts while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Supervisor:
    """Serves one socket: program after program, until the socket is closed. All get the confinement of the first."""

    def __init__(self, control: socket.socket, group: ControlGroup | None = None) -> None:
        self._control = control
        self._group = group
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._confined = False

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
            return received(self._control)
        except ConnectionError:
            return b"", []

    def _run(self, fds: list[int]) -> None:
        with open(fds[0], "rb") as file:  # noqa: PTH123
            launch = json.loads(file.read())
        self._grace, self._deadline, self._ended_by = launch["grace_seconds"], _NEVER, ""
        try:
            self._confine(launch)
            self._pid = _forked(launch, fds[1:]) if launch["user"] or launch["limits"] else _spawned(launch, fds[1:])
        except OSError as error:
            self._tell({"errno": error.errno, "at": error.filename or "its process"})
            return
        except ValueError as error:
            self._tell({"errno": 0, "at": str(error)})
            return
        finally:
            for fd in fds[1:]:
                os.close(fd)
        began = now()
        seconds, until = launch["seconds"], launch["until"]
        self._until = min(_NEVER if seconds is None else began + seconds, _NEVER if until is None else until)
        if launch["tell"]:
            self._tell({"pid": self._pid})
        self._keep()
        ended = now()
        status, left = self._end_all()
        self._tell({"status": status, "by": self._ended_by, "seconds": ended - began, "left": left})
        if left and self._group is not None:
            self._group.kill()

    def _confine(self, launch: dict[str, Any]) -> None:
        """Forbid to this process what is forbidden to the program: that is inherited, and cannot be undone."""
        if not self._confined:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.umask(0o022)
            if launch["no_new_privileges"]:
                prctl(_PR_SET_NO_NEW_PRIVS, 1)
            if self._group is not None:
                self._group.limit(*launch["group_limits"])
            confine(launch["writable"], launch["readable"], offline=launch["offline"])
            self._confined = True

    def _keep(self) -> None:
        """Obey until the process has ended."""
        pidfd = os.pidfd_open(self._pid)
        self._poll.register(pidfd, select.POLLIN)
        while True:
            self._enforce()
            due = min(self._until, self._deadline) - now()
            ready = [fd for fd, _ in self._poll.poll(min(max(0.0, due), _LONGEST_WAIT) * 1000 + 1)]
            if pidfd in ready:
                break
            if ready:
                self._obey()
        self._poll.unregister(pidfd)
        os.close(pidfd)

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
        until = time.monotonic() + (_LAST_WAIT_SECONDS if self._group is None else _QUICK_WAIT_SECONDS)
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


def _spawned(launch: dict[str, Any], fds: list[int]) -> int:
    """The process id of the started program. Raises `OSError` and `ValueError`. A millisecond quicker than a fork."""
    os.chdir(launch["folder"])
    try:
        return os.posix_spawn(
            launch["path"],
            launch["argv"],
            launch["environment"],
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)],
            setsid=True,
            setsigdef=_DEFAULT,
        )
    finally:
        os.chdir("/")


def _forked(launch: dict[str, Any], fds: list[int]) -> int:
    """As `_spawned`, for another user or with limits."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if not pid:
        _become(launch, fds, writing)
    os.close(writing)
    with open(reading, "rb") as file:  # noqa: PTH123
        problem = file.read()
    if problem:
        os.waitpid(pid, 0)
        number, at = json.loads(problem)
        raise OSError(number, os.strerror(number), at) if number else ValueError(at)
    return pid


def _become(launch: dict[str, Any], fds: list[int], problems: int) -> NoReturn:
    """In the child: become the program that is to run."""
    try:
        os.setsid()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        for ignored in _DEFAULT:
            signal.signal(ignored, signal.SIG_DFL)
        for name, soft, hard in launch["limits"]:
            resource.setrlimit(name, (soft, hard))
        if launch["user"]:
            uid, gid, groups = launch["user"]
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        os.chdir(launch["folder"])
        os.execve(launch["path"], launch["argv"], launch["environment"])
    except OSError as error:
        os.write(problems, json.dumps([error.errno, error.filename or "its process"]).encode())
    except BaseException as error:
        os.write(problems, json.dumps([0, str(error)]).encode())
    finally:
        os._exit(127)


def received(connection: socket.socket) -> tuple[bytes, list[int]]:
    """The next message with its descriptors, which programs do not inherit: `socket.recv_fds` forgets its flags."""
    message, control, _, _ = connection.recvmsg(256, socket.CMSG_SPACE(4 * 4), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for _, _, data in control:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return message, list(fds)


def children() -> Iterator[int]:
    """Ours, and those we adopted."""
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:  # noqa: PTH123
        yield from map(int, file.read().split())


def kill_all(pids: list[int]) -> None:
    """End those processes."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def collected(also: int = 0) -> Iterator[tuple[int, int]]:
    """Every child that has ended, with its status; with WUNTRACED those that were stopped, too."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG | also))[0]:
            yield ended


def prctl(option: int, value: int) -> None:
    """Call the function of that name of the C library; what fails has no effect."""
    _LIBC.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
