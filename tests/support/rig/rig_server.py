"""A PostgreSQL server of a rig's own, which may be killed, filled up and replaced by its standby."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from attune.postgres.embedded.account import system_account
from attune.postgres.embedded.binaries import find_binaries
from waiting import wait_for

SETTINGS = (
    "listen_addresses=",
    "shared_buffers=32MB",
    "max_connections=90",
    "min_wal_size=32MB",
    "max_wal_size=64MB",
    "max_wal_senders=4",
    "fsync=off",
    "dynamic_shared_memory_type=mmap",
    "timezone=UTC",
    "unix_socket_permissions=0777",
)
OWNER = "rig"


class RigServer:
    """A server below *folder*, which is short, for its sockets lie there. `port` names the one that is primary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        self._account = system_account() if os.geteuid() == 0 else None
        self._shipped = find_binaries()
        self._binaries = self._shipped.copied_to(folder / "programs") if self._account else self._shipped
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self.port = 1
        self._give(folder / "socket")
        self._run("initdb", "-D", self._data(1), "-U", OWNER, "--auth", "trust", "-E", "UTF8", "--locale", "C", "-N")
        self.start(1)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE attune")

    def url(self, database: str = "attune", port: int | None = None) -> str:
        """As its superuser, not through a proxy."""
        return f"postgresql://{OWNER}@/{database}?host={self.folder / 'socket'}&port={port or self.port}"

    @property
    def socket(self) -> str:
        """The path at which the primary accepts connections."""
        return str(self.folder / "socket" / f".s.PGSQL.{self.port}")

    @property
    def pid(self) -> int:
        return self._running[self.port].pid

    @property
    def uid(self) -> int:
        """The user that it runs as."""
        return self._account.uid if self._account else os.geteuid()

    def start(self, port: int | None = None) -> None:
        """Start the server, and wait until it answers."""
        port = port or self.port
        settings = (*SETTINGS, f"unix_socket_directories={self.folder / 'socket'}")
        options = [part for setting in settings for part in ("-c", setting)]
        with (self.folder / f"server{port}.log").open("ab") as log:
            self._running[port] = subprocess.Popen(
                [self._binaries.path("postgres"), "-D", self._data(port), "-p", str(port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._identity(),
            )
        wait_for(lambda: self.answers(port), 60)

    def answers(self, port: int | None = None) -> bool:
        try:
            with psycopg.connect(self.url("postgres", port), connect_timeout=5) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def kill(self, port: int | None = None, number: int = signal.SIGKILL) -> None:
        """End the postmaster; its children notice that by themselves."""
        process = self._running.pop(port or self.port)
        process.send_signal(number)
        process.wait()
        wait_for(lambda: not _children_of(self._data(port or self.port)), 60)
        (self._data(port or self.port) / "postmaster.pid").unlink(missing_ok=True)

    def ended(self) -> bool:
        """Whether the postmaster of the primary has ended by itself."""
        return self._running[self.port].poll() is not None

    def fail_over(self) -> None:
        """Make a standby that has everything, kill the primary, and promote the standby."""
        old, new = self.port, self.port + 1
        program = self._shipped.path("pg_basebackup")
        backup = [program, "-D", self._data(new), "-h", self.folder / "socket", "-p", str(old), "-U", OWNER, "-R"]
        done = subprocess.run([*backup, "-c", "fast"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        if self._account:
            subprocess.run(["chown", "-R", f"{self._account.uid}:{self._account.gid}", self._data(new)], check=True)
        self.start(new)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            wait_for(
                lambda: connection.execute("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
            )
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")  # nothing is acknowledged too early
            connection.execute("SELECT pg_reload_conf()")
            wait_for(
                lambda: connection.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone()
            )
        self.kill(old)
        shutil.rmtree(self._data(old))
        with psycopg.connect(self.url("postgres", new), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        self.port = new

    def close(self) -> None:
        for port in list(self._running):
            self.kill(port, signal.SIGINT)

    def _data(self, port: int) -> Path:
        return self.folder / f"data{port}"

    def _give(self, folder: Path) -> None:
        """Make *folder*, which belongs to whom the server runs as."""
        folder.mkdir()
        if self._account:
            os.chown(folder, self._account.uid, self._account.gid)

    def _identity(self) -> dict[str, object]:
        return self._account.options(self.folder, ()) if self._account else {"cwd": self.folder}

    def _run(self, program: str, *arguments: str | Path) -> None:
        self._give(self._data(1))
        done = subprocess.run(
            [self._binaries.path(program), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            **self._identity(),
        )
        assert done.returncode == 0, done.stderr


def _children_of(data: Path) -> list[str]:
    """Processes that work in the folder *data*."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == data:
                found.append(process.name)
        except OSError:
            continue
    return found
