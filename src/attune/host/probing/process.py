"""One process of a check: started in its own session, read through two pipes, ended with its whole group.

Knows nothing of other processes, of time limits or of what an outcome means; the runner decides when.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attune.core.runtimes.command import Ending
from attune.host.probing.refusal import NotStartedError, explain
from attune.host.probing.stream import Stream
from attune.host.processes import read_bytes, signal_group

# RLIMIT_LOCKS has had no effect since Linux 2.4.25, yet it is inherited across fork, exec, setsid and `env -i`:
# a label that a descendant cannot lose by accident.
LABEL_LIMIT = 10


@dataclass(frozen=True, slots=True)
class ProcessContext:
    """What all processes of one run share."""

    environment: Mapping[bytes, bytes]
    folder: str
    null_fd: int
    label: int


class Process:
    """A started process. Its id cannot be given to another before `end`; `close` must be called once after it."""

    __slots__ = ("_popen", "pid", "pidfd", "stderr", "stdout")

    def __init__(self, popen: subprocess.Popen[bytes], pidfd: int, stdout: Stream, stderr: Stream) -> None:
        self._popen = popen
        self.pid = popen.pid
        self.pidfd = pidfd
        self.stdout = stdout
        self.stderr = stderr

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and everything that is still in its group."""
        signal_group(self.pid, number)

    def wait_dead(self, seconds: float) -> None:
        """Wait at most so long for a process that was killed."""
        waiter = select.poll()
        waiter.register(self.pidfd, select.POLLIN)
        waiter.poll(seconds * 1000)

    def end(self, *, lost: bool) -> int | None:
        """End what is left of the group, take the last output, and collect the exit code, -N for signal N.

        None if somebody else took the status, or if the process is *lost*: one that does not even die.
        """
        self.signal_group(signal.SIGKILL)
        for stream in (self.stdout, self.stderr):
            if stream.open:
                stream.drain()
        self._popen.returncode = 0  # or its destructor would wait for the process again
        if lost:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return None
        return os.waitstatus_to_exitcode(status) if pid else None

    def close(self) -> list[Stream]:
        """Release the descriptors, but for the streams that somebody else still writes to: those are returned."""
        os.close(self.pidfd)
        held = [stream for stream in (self.stdout, self.stderr) if stream.open]
        for stream in (self.stdout, self.stderr):
            if not stream.open:
                stream.close()
        return held


def start(argv: Sequence[str], path: str, context: ProcessContext) -> Process:
    """Execute the file at *path* with *argv*. Raises `NotStartedError` when that cannot be done."""
    fds: list[int] = []
    try:
        fds += os.pipe2(os.O_CLOEXEC)
        fds += os.pipe2(os.O_CLOEXEC)
        popen = subprocess.Popen(
            argv,
            bufsize=0,
            executable=path,
            stdin=context.null_fd,
            stdout=fds[1],
            stderr=fds[3],
            cwd=context.folder,
            env=context.environment,
            start_new_session=True,
        )
    except BaseException as error:
        _close_all(fds)
        if isinstance(error, OSError) and error.filename == context.folder:
            raise NotStartedError(Ending.UNDECIDED, "not started: the working folder is gone") from error
        if isinstance(error, OSError):
            raise explain(error, path) from error
        if isinstance(error, ValueError):
            raise NotStartedError(Ending.NOT_STARTED, f"its arguments cannot be passed on: {error}") from error
        raise
    _label(popen.pid, context.label)
    _close_all(fds[1::2])
    try:
        pidfd = os.pidfd_open(popen.pid)
    except OSError as error:
        popen.kill()
        popen.wait()
        _close_all(fds[0::2])
        detail = f"could not be watched: {os.strerror(error.errno or 0).lower()}"
        raise NotStartedError(Ending.UNDECIDED, detail, passing=True) from error
    return Process(popen, pidfd, Stream(fds[0]), Stream(fds[2]))


def _label(pid: int, label: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        resource.prlimit(pid, LABEL_LIMIT, (label, resource.RLIM_INFINITY))
    for child in read_bytes(f"/proc/{pid}/task/{pid}/children").split():  # it was quicker than we were
        _label(int(child), label)


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
