"""A small program that holds one sensor process, and ends it with everything it started when its time is over.

The node starts it by its path, as `python -I -S supervisor.py`, so it imports only the standard library. It outlives
a node that is killed, stopped or stuck, by just as long as it takes to end the sensor:

- end of its stdin: the node is gone;
- the time that the node last named (`until`, of CLOCK_BOOTTIME) has come: the lease may soon be somebody else's.

stdin: one line of JSON with what to start, then commands, one a line: `until SECONDS`, `pause`, `resume`, `stop`.
stdout: lines of JSON: `{"pid": …}` or `{"not_started": …, "interpreter": whether that is at fault}`, and in the end
`{"exit": …}` or `{"signal": …}`.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 3.0
_LAST_WAIT_SECONDS = 2.0


def now() -> float:
    """Seconds of a clock that also counts while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SensorSupervisor:
    """One sensor process. `run` returns when nothing of it is left."""

    def __init__(self, spec: dict[str, Any], rest: bytes) -> None:
        self._spec = spec
        self._commands = rest
        self._until = float(spec["until"])
        self._deadline = float("inf")
        self._ended_by = ""
        self._paused = False
        self._pid = 0

    def run(self) -> None:
        """Start the sensor, keep it, and leave nothing of it."""
        output = os.open(self._spec["output"], os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _lock(output):
            _report(not_started="its output log is in use: another process of this sensor lives", interpreter=False)
            return
        _end_line(output)
        problem = self._start(output)
        if problem:
            _report(not_started=problem, interpreter=True)
            return
        _report(pid=self._pid)
        pidfd = os.pidfd_open(self._pid)
        self._keep(pidfd)
        os.close(pidfd)
        status = self._end_descendants()
        code = None if status is None else os.waitstatus_to_exitcode(status)
        if code is None or code < 0:
            _report(signal=-(code or 0), by=self._ended_by)
        else:
            _report(exit=code, by=self._ended_by)

    def _start(self, output: int) -> str:
        """What went wrong, or ""."""
        parameters = os.memfd_create("parameters", 0)
        with os.fdopen(os.dup(parameters), "wb") as file:
            file.write(json.dumps(self._spec["parameters"]).encode())
        os.lseek(parameters, 0, os.SEEK_SET)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            self._become(parent, parameters, output, writing)
        os.close(writing)
        os.close(parameters)
        with os.fdopen(reading, "rb") as file:
            problem = file.read().decode("utf-8", "replace")
        if problem:
            os.waitpid(self._pid, 0)
        return problem

    def _become(self, parent: int, parameters: int, output: int, writing: int) -> None:
        """In the child: become the sensor."""
        spec = self._spec
        try:
            os.setsid()
            _prctl(_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(127)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(parameters, 0)
            os.dup2(output, 1)
            os.chdir(spec["folder"])
            os.execve(spec["argv"][0], spec["argv"], spec["environment"])
        except OSError as error:
            which = error.filename or spec["argv"][0]
            os.write(writing, f"{which}: {os.strerror(error.errno or 0).lower()}".encode("utf-8", "replace"))
        except BaseException as error:
            os.write(writing, repr(error).encode("utf-8", "replace"))
        finally:
            os._exit(127)

    def _keep(self, pidfd: int) -> None:
        """Obey until the process has ended."""
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(0, select.POLLIN)
        self._obey()
        while True:
            moment = now()
            if moment >= self._until:
                self._end("lease", at_once=True)
            elif moment >= self._deadline:
                self._kill()
                self._deadline = float("inf")
            due = min(self._until, self._deadline) - moment
            for fd, _ in poll.poll(max(0.0, min(due, 1.0)) * 1000):
                if fd == pidfd:
                    return
                text = os.read(0, 65536)
                if not text:
                    poll.unregister(0)
                    self._end("node", at_once=True)
                self._commands += text
                self._obey()

    def _obey(self) -> None:
        *lines, self._commands = self._commands.split(b"\n")
        for line in lines:
            verb, _, argument = line.partition(b" ")
            if verb == b"until":
                self._until = max(self._until, float(argument))
            elif verb == b"stop":
                self._end("asked", at_once=False)
            elif verb in (b"pause", b"resume"):
                self._paused = verb == b"pause"
                self._signal(signal.SIGSTOP if self._paused else signal.SIGCONT)

    def _end(self, by: str, *, at_once: bool) -> None:
        self._ended_by = self._ended_by or by
        if at_once:
            self._until = float("inf")
            self._kill()
            return
        self._deadline = min(self._deadline, now() + _GRACE_SECONDS)
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)

    def _end_descendants(self) -> int | None:
        """End everything that the sensor started, and collect it; the sensor's own status."""
        status: int | None = None
        until = time.monotonic() + _LAST_WAIT_SECONDS
        self._kill()
        while time.monotonic() < until:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            try:
                while True:
                    pid, ended = os.waitpid(-1, os.WNOHANG)
                    if pid == 0:
                        break
                    status = ended if pid == self._pid else status
            except ChildProcessError:
                break
            time.sleep(0.005)
        return status


def _children() -> Iterator[int]:
    """Ours, and those we adopted."""
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:  # noqa: PTH123
        yield from map(int, file.read().split())


def _lock(output: int) -> bool:
    """Hold the output as long as anything lives that prints into it; whoever only looks holds it for a moment."""
    until = time.monotonic() + _LAST_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)


def _end_line(output: int) -> None:
    """What an earlier process left half printed must not join what the next one prints."""
    size = os.fstat(output).st_size
    if size and os.pread(output, 1, size - 1) != b"\n":
        os.write(output, b"\n")


def _prctl(option: int, value: int) -> None:
    _LIBC.prctl(option, value, 0, 0, 0)


def _report(**news: Any) -> None:
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(news).encode() + b"\n")


def _first_line() -> tuple[bytes, bytes]:
    text = b""
    while b"\n" not in text:
        more = os.read(0, 65536)
        if not more:
            sys.exit(0)
        text += more
    line, _, rest = text.partition(b"\n")
    return line, rest


def main() -> None:
    """Hold the sensor that the first line of stdin names."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    _prctl(_SET_CHILD_SUBREAPER, 1)
    line, rest = _first_line()
    SensorSupervisor(json.loads(line), rest).run()


_LIBC = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    main()
