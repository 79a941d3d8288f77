"""The node's side of its supervisors (see `supervisor`): one spawner for the whole process, which start programs."""

import asyncio
import atexit
import contextlib
import functools
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attune.host.contract import spawner
from attune.host.contract.launch import Launch
from attune.host.contract.supervisor import now

boottime = now
"""The clock of `Launch.until`: seconds since the machine started, sleep included."""
_MOST_IDLE = 32
_LONGEST_NEWS = 65536


@dataclass(frozen=True, slots=True)
class Started:
    """The program runs."""

    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The program was never executed; `at` is what the error `number` is about, a path or a sentence."""

    number: int
    at: str

    @property
    def error(self) -> OSError:
        """The error as if it had been raised here."""
        return OSError(self.number, os.strerror(self.number) if self.number else self.at, self.at)


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing of the program is left, but for `left` processes that would not die.

    `status` is its exit code, -N for signal N, None if that is not known. `by` says why it was ended: `time` (its
    time was over), `asked` (by `stop`), `supervisor` (its supervisor was killed), "" if it ended by itself.
    """

    status: int | None
    by: str = ""
    seconds: float = 0.0
    left: int = 0


News = Started | NotStarted | Ended


class SupervisedProgram:
    """One supervisor, which runs one program at a time, all with the confinement `key`. `folder` is where."""

    def __init__(self, control: socket.socket, key: Hashable) -> None:
        self._control = control
        self.key = key
        self.folder = ""
        control.setblocking(False)

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._control.fileno()

    def start(self, launch: Launch, stdin: int, stdout: int, stderr: int) -> None:
        """Begin to start a program; the descriptors stay the caller's. Raises `OSError` if the supervisor is gone."""
        order = os.memfd_create("launch", os.MFD_CLOEXEC)
        try:
            os.pwrite(order, json.dumps(launch.message()).encode(), 0)
            socket.send_fds(self._control, [b"start"], [order, stdin, stdout, stderr])
        finally:
            os.close(order)

    def extend(self, until: float) -> None:
        """Let the program run until that `boottime`."""
        self._send(f"until {until!r}")

    def signal(self, number: int) -> None:
        """Send a signal to the program's process group."""
        self._send(f"signal {number}")

    def stop(self) -> None:
        """Ask the program to end; it is killed when its grace is over."""
        self._send("stop")

    def receive(self) -> News:
        """The next news, the end if the supervisor is gone. Raises `BlockingIOError` if there is none yet."""
        try:
            return _news(self._control.recv(_LONGEST_NEWS))
        except ConnectionError:
            return _news(b"")

    async def news(self) -> News:
        """Wait for the next news."""
        try:
            return _news(await asyncio.get_running_loop().sock_recv(self._control, _LONGEST_NEWS))
        except ConnectionError:
            return _news(b"")

    def wait_gone(self, seconds: float) -> None:
        """Wait at most so long for the end of the supervisor itself."""
        waiter = select.poll()
        waiter.register(self._control, 0)
        waiter.poll(seconds * 1000)

    def close(self) -> None:
        """End the supervisor, and what it keeps."""
        self._control.close()

    def _send(self, command: str) -> None:
        with contextlib.suppress(OSError):  # gone: the news says so
            self._control.send(command.encode())


def _news(message: bytes) -> News:
    fields: dict[str, Any] = json.loads(message or b'{"status": null, "by": "supervisor"}')
    if "pid" in fields:
        return Started(fields["pid"])
    return NotStarted(fields["errno"], fields["at"]) if "errno" in fields else Ended(**fields)


class SupervisorPool:
    """The supervisors of this process. Safe to use from several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SupervisedProgram] = []
        self._spawner: socket.socket | None = None
        self._owner = 0

    def take(self, key: Hashable) -> SupervisedProgram:
        """A supervisor that runs nothing, one of *key* where one is idle. Raises `OSError` if none can be started."""
        with self._lock:
            if self._owner != os.getpid():  # a fork of the process that they belong to
                self._idle, self._spawner, self._owner = [], None, os.getpid()
            for program in reversed(self._idle):
                if program.key == key:
                    self._idle.remove(program)
                    return program
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                try:
                    self._send(theirs)
                except BaseException:
                    ours.close()
                    raise
            return SupervisedProgram(ours, key)

    def give_back(self, program: SupervisedProgram) -> None:
        """Take back a supervisor whose program has ended, for the next one with its confinement."""
        with self._lock:
            if self._owner == os.getpid():
                self._idle.append(program)
                program = self._idle.pop(0) if len(self._idle) > _MOST_IDLE else program
            if program in self._idle:
                return
        program.close()

    def close(self) -> None:
        """End all that are idle, and the spawner when the others have ended."""
        with self._lock:
            for program in self._idle:
                program.close()
            self._idle.clear()
            if self._spawner is not None:
                self._spawner.close()
                self._spawner = None

    def _send(self, theirs: socket.socket) -> None:
        for last in (False, True):
            try:
                self._spawner = self._spawner or _start_spawner()
                socket.send_fds(self._spawner, [b"supervisor"], [theirs.fileno()])
                return
            except ConnectionError:
                if self._spawner is not None:
                    self._spawner.close()
                self._spawner = None
                if last:
                    raise


def _start_spawner() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", str(Path(spawner.__file__))],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
    threading.Thread(target=process.wait, name="spawner of supervisors", daemon=True).start()
    return ours


@functools.cache
def supervisors() -> SupervisorPool:
    """The supervisors of this process."""
    shared = SupervisorPool()
    atexit.register(shared.close)
    return shared
