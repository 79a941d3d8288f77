"""The node's side of its keepers (see `keeper`): one origin for the whole process, and keepers that are used again."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attune.host.contract import keeper as keeper_program
from attune.host.contract.launch import Launch

boottime = keeper_program.now
"""The clock of `Launch.until`: seconds since the machine started, sleep included."""
_MOST_IDLE = 16
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
    time was over), `asked` (by `stop`), `keeper` (its keeper was killed), "" if it ended by itself.
    """

    status: int | None
    by: str = ""
    seconds: float = 0.0
    left: int = 0


News = Started | NotStarted | Ended


class Keeper:
    """One keeper, which runs one program at a time."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        control.setblocking(False)

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._control.fileno()

    def start(self, launch: Launch, stdin: int, stdout: int, stderr: int) -> None:
        """Begin to start a program; the descriptors stay the caller's. Raises `OSError` where the keeper is gone."""
        order = os.memfd_create("launch", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(order), "wb") as file:
                file.write(json.dumps(launch.message()).encode())
            os.lseek(order, 0, os.SEEK_SET)
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
        """The next news. A keeper that is gone has ended its program. Raises `BlockingIOError` if there is none yet."""
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

    def close(self) -> None:
        """End the keeper, and what it keeps."""
        self._control.close()

    def _send(self, command: str) -> None:
        with contextlib.suppress(OSError):  # gone: the news says so
            self._control.send(command.encode())


def _news(message: bytes) -> News:
    fields: dict[str, Any] = json.loads(message or b'{"status": null, "by": "keeper"}')
    if "pid" in fields:
        return Started(fields["pid"])
    return NotStarted(fields["errno"], fields["at"]) if "errno" in fields else Ended(**fields)


class Keepers:
    """The keepers of this process. Safe to use from several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Keeper] = []
        self._origin: socket.socket | None = None
        self._owner = 0

    def start(self, launch: Launch, stdin: int, stdout: int, stderr: int) -> Keeper:
        """The keeper that begins to start *launch*; the descriptors stay the caller's.

        Raises `OSError` where no process can be started.
        """
        while True:
            keeper = self._take()
            try:
                keeper.start(launch, stdin, stdout, stderr)
                return keeper
            except ConnectionError:  # an idle one that somebody killed: the next is another
                keeper.close()
            except BaseException:
                keeper.close()
                raise

    def _take(self) -> Keeper:
        with self._lock:
            if self._owner != os.getpid():  # a fork of the process that they belong to
                self._idle, self._origin, self._owner = [], None, os.getpid()
            if self._idle:
                return self._idle.pop()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                try:
                    self._send(theirs)
                except BaseException:
                    ours.close()
                    raise
            return Keeper(ours)

    def give_back(self, keeper: Keeper, ended: News) -> None:
        """Take back a keeper whose program has *ended*, for the next one."""
        with self._lock:
            clean = not isinstance(ended, Ended) or (ended.by != "keeper" and not ended.left)
            if clean and self._owner == os.getpid() and len(self._idle) < _MOST_IDLE:
                self._idle.append(keeper)
                return
        keeper.close()

    def close(self) -> None:
        """End all that are idle, and the origin when the others have ended."""
        with self._lock:
            for keeper in self._idle:
                keeper.close()
            self._idle.clear()
            if self._origin is not None:
                self._origin.close()
                self._origin = None

    def _send(self, theirs: socket.socket) -> None:
        for last in (False, True):
            try:
                self._origin = self._origin or _start_origin()
                socket.send_fds(self._origin, [b"keeper"], [theirs.fileno()])
                return
            except ConnectionError:
                if self._origin is not None:
                    self._origin.close()
                self._origin = None
                if last:
                    raise


def _start_origin() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", str(Path(keeper_program.__file__))],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
    threading.Thread(target=process.wait, name="origin of keepers", daemon=True).start()
    return ours


@functools.cache
def keepers() -> Keepers:
    """The keepers of this process."""
    shared = Keepers()
    atexit.register(shared.close)
    return shared
