"""The API as a process of its own with few open files, for tests of callers who want too much."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from attune.core.access.tokens import Scope
from attune.postgres.access.tokens import PostgresTokens
from attune.postgres.connection import open_pool
from live_api import Live

START = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv.pop(1)),) * 2); "
START += "from attune.cli.main import main; main()"


@dataclass(frozen=True)
class ApiProcess(Live):
    """A running API, its process and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def seconds_to_answer(self) -> float:
        """How long an administrator's `/healthz` takes, with a new connection."""
        began = time.monotonic()
        token = self.tokens[Scope.ADMIN]
        said = self.say(f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 200"), said[:200]
        return time.monotonic() - began

    def memory(self) -> int:
        """How many bytes of memory it has."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


@contextmanager
def api_process(url: str, folder: Path, *, files: int, **settings: str) -> Iterator[ApiProcess]:
    """`attune api start` on the database at *url* with at most *files* descriptors."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = int(free.getsockname()[1])
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "DATABASE_URL": url, "ATTUNE__API__PORT": str(port)}
    log = folder / "api.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(files), "api", "start"],
            cwd=folder,
            env={**variables, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        live = ApiProcess(port, asyncio.run(_tokens(url)), process, log)
        _wait_until_ready(live)
        yield live
        assert process.poll() is None, log.read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(30)


async def _tokens(url: str) -> dict[Scope, str]:
    async with open_pool(url, application_name="test") as pool:
        store = PostgresTokens(pool)
        return {scope: (await store.create(f"process {scope}", scope, created_by="tests"))[1] for scope in Scope}


def _wait_until_ready(live: ApiProcess) -> None:
    until = time.monotonic() + 60
    while live.process.poll() is None and time.monotonic() < until:
        try:
            live.seconds_to_answer()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(live.log.read_text())


@contextmanager
def many_files(wanted: int) -> Iterator[None]:
    """Let this process open *wanted* files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(wanted, limits[0]), limits[1]), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
