"""The command line as processes that start in milliseconds: copies of one that has imported everything.

Importing takes half a second, and tests start hundreds of commands. Each is a process with arguments, variables,
streams and signals of its own, as if it had been started from a shell. Run as a program, this is the process that is
copied: it reads orders from the socket whose number it is given, and ends when the other side is closed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

LONGEST_ORDER = 1 << 18
ALSO_NEEDED = ("httpx", "rich.live", "rich.table", "uvicorn.protocols.http.h11_impl", "uvicorn.lifespan.on")


class Program:
    """A command that was started; what `subprocess.Popen` offers of one."""

    def __init__(self, args: Sequence[str], pid: int, status: int) -> None:
        self.args = args
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or the signal that ended it as a negative number. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            told = os.read(self._status, 100)
            os.close(self._status)
            self.returncode = os.waitstatus_to_exitcode(int(told)) if told else -signal.SIGKILL
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Original:
    """The process that commands are copies of, from the side of the tests."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        passed = {name: os.environ[name] for name in ("PYTHONPATH", "TMPDIR") if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env={"LANG": "C.UTF-8", "PATH": os.defpath, **passed},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def copy(self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, streams: Any) -> Program:
        status, theirs = os.pipe()
        order = json.dumps({"arguments": arguments, "environment": dict(environment), "folder": str(folder)}).encode()
        try:
            socket.send_fds(self._orders, [order], [*(stream.fileno() for stream in streams), theirs])
        finally:
            os.close(theirs)
        answer = self._orders.recv(100)
        assert answer, "the process that commands are copies of has ended"
        return Program(("attune", *arguments), int(answer), status)

    def end(self) -> None:
        self._orders.close()
        self._process.wait(30)


_original: _Original | None = None
_one_at_a_time = threading.Lock()


def start(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, output: IO[Any], errors: IO[Any]
) -> Program:
    """Start `attune` with *arguments* and only these variables in *folder*; it reads nothing."""
    global _original
    with _one_at_a_time, Path(os.devnull).open("rb") as nothing:
        _original = _original or _Original()
        return _original.copy(arguments, environment, folder, (nothing, output, errors))


def run(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `attune` to its end. Raises `subprocess.TimeoutExpired` after its end by force."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        program = start(arguments, environment, folder, output, errors)
        try:
            code = program.wait(timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
            raise
        for stream in (output, errors):
            stream.seek(0)
        return subprocess.CompletedProcess(program.args, code, output.read().decode(), errors.read().decode())


def end() -> None:
    """End the process that commands are copies of, if there is one."""
    global _original
    if _original is not None:
        _original.end()
        _original = None


def _import_everything() -> None:
    import attune

    for module in pkgutil.walk_packages(attune.__path__, "attune."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)
    for name in ALSO_NEEDED:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a process with threads cannot be copied"
    gc.freeze()


def _serve(orders: socket.socket) -> dict[str, Any] | None:
    """Copy this process for each order: the order in the copy, None in the original when there are no more."""
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    statuses: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([orders, awake], [], [])
        if awake in ready:
            os.read(awake, 1000)
            _tell_ends(statuses)
        if orders in ready:
            order, streams, _, _ = socket.recv_fds(orders, LONGEST_ORDER, 4)
            if not order:
                return None
            pid = os.fork()
            if pid == 0:
                _take_over(streams[:3])
                return dict(json.loads(order))
            statuses[pid] = streams[3]
            for stream in streams[:3]:
                os.close(stream)
            orders.send(str(pid).encode())


def _tell_ends(statuses: dict[int, int]) -> None:
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with open(statuses.pop(pid), "wb") as told:  # noqa: PTH123
            told.write(str(status).encode())


def _take_over(streams: Sequence[int]) -> None:
    """Become a process of its own: these streams and no other descriptor, signals as they are at a start."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:  # that of the listing itself
                continue


def main(number: str) -> None:
    _import_everything()
    with socket.socket(fileno=int(number)) as orders:
        order = _serve(orders)
        if order is None:
            return
        orders.detach()
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    entry = importlib.import_module("attune.cli.main")
    sys.argv = [str(Path(entry.__file__ or "").parents[1] / "__main__.py"), *order["arguments"]]
    entry.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
