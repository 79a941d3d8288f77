"""Starts, finds and stops the server process of one cluster. Who may do that when is decided in `server`."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from attune.core.errors import DatabaseError
from attune.postgres.embedded import processes
from attune.postgres.embedded.account import Account
from attune.postgres.embedded.binaries import Binaries
from attune.postgres.embedded.cluster import DATABASE, ROLE, failure_line, remedy
from attune.postgres.embedded.folders import Folders, read_small, seen_by, write_private
from attune.postgres.embedded.wire import ServerAnswer, State, ask

DEFAULT_PORT = 5432  # without TCP it is but a part of the socket's name
_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_ANSWER_SECONDS = 5.0
_POLL = 0.004
_BUSY_POLL = 0.02
_LARGEST_LOG = 4 << 20


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running server listens."""

    socket: Path
    port: int
    user: str

    @property
    def url(self) -> str:
        """For libpq. The server must be `user`'s: whoever else might take its place is refused."""
        return f"postgresql://{ROLE}@/{DATABASE}?host={self.socket}&port={self.port}&requirepeer={self.user}"


def address(folders: Folders, account: Account) -> Address | None:
    """Where the server of this cluster listens if it runs."""
    socket = folders.socket(account)
    if socket is None:
        return None
    lines = (read_small(folders.cluster / "postmaster.pid") or "").splitlines()
    port = int(lines[3]) if len(lines) > 3 and lines[3].isdecimal() else DEFAULT_PORT
    return Address(socket, port, account.name)


def state(folders: Folders, account: Account) -> ServerAnswer:
    """What the server of this cluster is doing. Raises `DatabaseError` when another user holds its socket."""
    where = address(folders, account)
    if where is None:
        return ServerAnswer(State.ABSENT)
    socket = where.socket / f".s.PGSQL.{where.port}"
    return ask(socket, uid=account.uid, role=ROLE, seconds=_ANSWER_SECONDS)


def start(folders: Folders, account: Account, binaries: Binaries, port: int | None) -> None:
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
        "listen_addresses": "127.0.0.1" if port else "",
        "port": port or DEFAULT_PORT,
        "unix_socket_directories": "socket" if inside else socket,
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    begin = _trim(folders.log)
    with seen_by(account, folders.cluster) as (name, keep), folders.log.open("ab") as log:
        argv: list[str | Path] = [binaries.path("postgres"), "-D", name]
        for key, value in settings.items():
            argv += ["-c", f"{key}={value}"]
        process = account.start(argv, cwd=folders.cluster, output=log, keep=keep)
    try:
        _wait_until_ready(folders, account, process, begin)
    finally:
        processes.adopt(process)


def _wait_until_ready(folders: Folders, account: Account, process: subprocess.Popen[bytes], begin: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (_says_ready(folders) and state(folders, account).state is State.READY):
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            output = _since(folders.log, begin)
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


def password(folders: Folders) -> str:
    """The password for connections over TCP; made at the first call. Raises `OSError`."""
    known = read_small(folders.password)
    if known is None:
        known = secrets.token_urlsafe(24)
        write_private(folders.password, known)
    return known


def set_password(url: str, text: str) -> None:
    """Give the role its password; only a hash of it travels. Raises `DatabaseError`."""
    import psycopg

    try:
        with psycopg.connect(url, autocommit=True) as connection:
            digest = connection.pgconn.encrypt_password(text.encode(), ROLE.encode(), b"scram-sha-256").decode()
            connection.execute(f"ALTER ROLE {ROLE} PASSWORD '{digest}'".encode())
    except psycopg.Error as error:
        raise DatabaseError(f"the password of the embedded PostgreSQL could not be set: {error}") from error


def _trim(log: Path) -> int:
    """Keep the log bounded: a large one becomes its own predecessor. Returns where the next output begins."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        return 0
    if size <= _LARGEST_LOG:
        return size
    trim_log(log)
    return 0


def trim_log(log: Path) -> None:
    """Move what the log holds to `.1` if it is large. The server appends, so it goes on at the beginning."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LARGEST_LOG:
            with log.open("r+b") as file:
                file.seek(-_LARGEST_LOG, os.SEEK_END)
                write_private(log.with_name(log.name + ".1"), os.fsdecode(file.read()))
                file.truncate(0)


def _since(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read(1 << 20).decode(errors="replace")
