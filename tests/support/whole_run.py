"""A run of the tests as a whole: signals in a known state, a temporary folder of its own, and nothing left of it.

`conftest.py` calls `begin_run` before anything is collected and `end_run` after everything.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

BEFORE: set[Path] = set()
"""Folders of sockets that were there when the run began."""
OFTEN_IGNORED = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
"""What `nohup`, a shell's background job or a supervisor may have had ignored."""


def default_signals() -> None:
    """Give this process, and each that it starts, the signals of a program started from a terminal.

    A signal that is ignored stays so in every program that is started; one with a handler does not.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in OFTEN_IGNORED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def begin_run() -> Path | None:
    """A new temporary folder, used from now on by this process and all that it starts; None in a worker of xdist."""
    default_signals()
    if "PYTEST_XDIST_WORKER" in os.environ:
        return None
    folder = Path(tempfile.mkdtemp(prefix="at-", dir=_fast_place()))  # a short name: sockets lie below it
    folder.chmod(0o711)  # a server's own user passes through
    BEFORE.update(_socket_folders())
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return folder


def _fast_place() -> str | None:
    """Memory, where there is plenty: hundreds of tests copy a database each, which takes a second on a busy disk."""
    try:
        status = os.statvfs("/dev/shm")
    except OSError:
        return None
    roomy = status.f_bavail * status.f_frsize >= 8 << 30 and not status.f_flag & os.ST_NOEXEC
    return "/dev/shm" if roomy and "TMPDIR" not in os.environ else None


def end_run(folder: Path, seconds: float = 10) -> list[str]:
    """What the run left: processes that know *folder*, what lies in it, sockets elsewhere; the folder is removed.

    What ends by itself within *seconds* is not left.
    """
    left = [f"still running: {process}" for process in _lasting(lambda: _processes_below(folder), seconds)]
    left += [f"not removed: {path}" for path in folder.iterdir() if not path.name.startswith("pytest-of-")]
    if set(folder.parent.glob("at-????????")) == {folder}:  # else it may be another run that has made them
        left += [f"not removed: {path}" for path in _lasting(lambda: _socket_folders() - BEFORE, seconds)]
    tempfile.tempdir = None
    os.environ.pop("TMPDIR", None)
    shutil.rmtree(folder, ignore_errors=True)
    return left


def _lasting(look: Callable[[], Iterable[Any]], seconds: float) -> list[Any]:
    """What *look* still finds after *seconds*."""
    until = time.monotonic() + seconds
    while (found := list(look())) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _socket_folders() -> set[Path]:
    """Folders that embedded servers made for their sockets, because the path of their data is long, and do not use."""
    used = Path("/proc/net/unix").read_text()
    return {path for path in Path("/tmp").glob("attune-[0-9]*-????????") if f"{path}/" not in used}


def _processes_below(folder: Path) -> Iterator[str]:
    """Processes, apart from this one, whose arguments, variables or working folder name *folder*."""
    name = os.fsencode(folder)
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) in (os.getpid(), os.getppid()):
            continue
        try:
            arguments = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
            where = os.fsencode((process / "cwd").readlink())
        except OSError:
            continue
        if name in arguments or name in environment or name in where:
            yield f"{process.name} {arguments.replace(bytes(1), b' ').decode(errors='replace')[:200]}"
