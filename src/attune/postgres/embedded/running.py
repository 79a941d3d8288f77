"""Starts, finds and stops the server process of one cluster. Who may do that when is decided in `server`."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from attune.core.errors import DatabaseError
from attune.postgres.embedded import processes
from attune.postgres.embedded.account import Account
from attune.postgres.embedded.binaries import Binaries
from attune.postgres.embedded.cluster import DATABASE, ROLE, failure_line, remedy
from attune.postgres.embedded.folders import Folders, read_small, seen_by, write_private
from attune.postgres.embedded.wire import ServerAnswer, State, ask

_PORT = 5432  # part of the socket's name: nothing listens on TCP
_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_ANSWER_SECONDS = 5.0
_POLL = 0.004
_BUSY_POLL = 0.02
_LARGEST_LOG = 4 << 20


def url(folders: Folders, account: Account) -> str | None:
    """The address for libpq of this cluster's server if it runs; a server of another user is refused by it."""
    socket = folders.socket(account)
    if socket is None:
        return None
    return f"postgresql://{ROLE}@/{DATABASE}?host={socket}&port={_PORT}&requirepeer={account.name}"


def state(folders: Folders, account: Account) -> ServerAnswer:
    """What the server of this cluster is doing. Raises `DatabaseError` when another user holds its socket."""
    socket = folders.socket(account)
    if socket is None:
        return ServerAnswer(State.ABSENT)
    return ask(socket / f".s.PGSQL.{_PORT}", uid=account.uid, role=ROLE, seconds=_ANSWER_SECONDS)


def start(folders: Folders, account: Account, binaries: Binaries) -> None:
    """Start the server and wait until it answers. What is left of an earlier one that died is ended first.

    Raises `DatabaseError` and `OSError`.
    """
    cluster_mark = processes.mark(folders.cluster)
    processes.end_all(cluster_mark, account.uid)
    socket = folders.make_socket(account)
    for left in (folders.cluster / "postmaster.pid", *socket.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)  # the process ids in them may be other programs' by now
    inside = socket == folders.cluster / "socket"
    settings = {
        "cluster_name": cluster_mark,
        "listen_addresses": "",
        "port": _PORT,
        "unix_socket_directories": "socket" if inside else socket,
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    begin = trim_log(folders.log)
    with seen_by(account, folders.cluster) as (name, keep), folders.log.open("ab") as log:
        argv: list[str | Path] = [binaries.path("postgres"), "-D", name]
        for key, value in settings.items():
            argv += ["-c", f"{key}={value}"]
        options = account.options(folders.cluster, keep)
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options
        )
    try:
        _wait_until_ready(folders, account, process, begin)
    finally:
        processes.adopt(process)


def _wait_until_ready(folders: Folders, account: Account, process: subprocess.Popen[bytes], begin: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (_says_ready(folders) and state(folders, account).state is State.READY):
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            output = folders.log.read_bytes()[begin:].decode(errors="replace")
            what = "did not start" if ended else f"was not ready after {_START_SECONDS:.0f} seconds"
            raise DatabaseError(
                f"the embedded PostgreSQL in {folders.data} {what}: {failure_line(output)}",
                hint=remedy(output, folders.data),
            )
        time.sleep(_POLL)


def _says_ready(folders: Folders) -> bool:
    """Whether the server noted so in its file; asking it any earlier would only fill its log with refusals."""
    lines = (read_small(folders.cluster / "postmaster.pid") or "").splitlines()
    return len(lines) > 7 and lines[7].strip() == "ready"


def wait_while_busy(folders: Folders, account: Account) -> ServerAnswer:
    """The state once the server neither starts nor stops. Raises `DatabaseError` when that takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    while (answer := state(folders, account)).state is State.BUSY:
        if time.monotonic() > deadline:
            raise DatabaseError(
                f"the embedded PostgreSQL in {folders.data} (process {answer.pid}) did not answer for"
                f" {_START_SECONDS:.0f} seconds",
                hint=f"it may be recovering, stopped or overloaded: read {folders.log}",
            )
        time.sleep(_BUSY_POLL)
    return answer


def stop(folders: Folders, account: Account) -> None:
    """Stop the server cleanly, whoever is still connected; harmless when there is none."""
    pid = state(folders, account).pid
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        processes.wait_until_gone(pid, _STOP_SECONDS)
    processes.end_all(processes.mark(folders.cluster), account.uid)
    folders.forget_socket()


def trim_log(log: Path) -> int:
    """Move what the log holds to `.1` if it is large; where the next output begins: the server appends."""
    with os.fdopen(os.open(log, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size <= _LARGEST_LOG:
            return size
        file.seek(-_LARGEST_LOG, os.SEEK_END)
        write_private(log.with_name(log.name + ".1"), os.fsdecode(file.read()))
        file.truncate(0)
        return 0
