"""Finds and ends the processes of one cluster's server, and only those.

Every one of them carries a mark in its command line or title. Process ids in files are never believed: the kernel
may have given them to another program since.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

_POLL = 0.004
_children: set[int] = set()  # started by this process and not yet reaped


def mark(cluster: Path) -> str:
    """What marks the processes of the server of *cluster*: its identity on this machine. Raises `OSError`."""
    status = cluster.stat()
    return f"attune-{status.st_dev:x}-{status.st_ino:x}"


def marked(mark: str, uid: int) -> list[int]:
    """The living processes of user *uid* that carry *mark*."""
    signs = (f"cluster_name={mark}\0".encode(), f"postgres: {mark}: ".encode())
    pids = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes()
            if signs[0] in line or line.startswith(signs[1]):
                # not the owner of the /proc entry: that is root for a process which may not be inspected
                real = re.search(rb"^Uid:\s+(\d+)", (entry / "status").read_bytes(), re.MULTILINE)
                if real and int(real[1]) == uid:
                    pids.append(int(entry.name))
    return pids


def wait_until_gone(pid: int, seconds: float) -> bool:
    """Whether the process *pid* has ended within *seconds*; reaps it if it is our child."""
    deadline = time.monotonic() + seconds
    while _alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def adopt(process: subprocess.Popen[bytes]) -> None:
    """Let *process* outlive us: nobody waits for it, and nobody is warned that it still runs."""
    if process.poll() is None:
        _children.add(process.pid)
        process.returncode = 0


def end_all(mark: str, uid: int) -> None:
    """End every process that carries *mark* without waiting for its clients. Committed data is not lost by this."""
    for pid in tuple(_children):
        _alive(pid)  # reaps it if it has died
    for number, wait_seconds in ((signal.SIGQUIT, 2.0), (signal.SIGKILL, 5.0)):
        pids = marked(mark, uid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait_seconds
        for pid in pids:
            wait_until_gone(pid, deadline - time.monotonic())
        if not marked(mark, uid):
            return


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            return True
        _children.discard(pid)
        return False
    _children.discard(pid)
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return state.rpartition(b")")[2].split()[0] not in (b"Z", b"X")
