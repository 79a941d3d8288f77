"""Processes that hold an embedded server, for tests that let them live, leave and die.

Run as a program it is such a process: it joins the server of the folder it is given and obeys one-word orders
(`ensure`, `release`) on its input; each answer is one line of JSON.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import psycopg

from attune.core.errors import DatabaseError
from attune.postgres.embedded.server import EmbeddedServer

WAIT_SECONDS = 60


class Holder:
    """A process that holds the server of *data_dir*, as the user *user* if given."""

    def __init__(self, data_dir: Path, *, user: str | None = None, wait: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__, str(data_dir), *([user] if user else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        first = self.answer() if wait else {"url": ""}
        assert "url" in first, first
        self.url = first["url"]

    def answer(self) -> dict[str, str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return dict(json.loads(line)) if line else {"error": f"ended with {self.process.wait(WAIT_SECONDS)}"}

    def order(self, word: str) -> dict[str, str]:
        """Have it do *word* and return its answer."""
        self.send(word)
        return self.answer()

    def send(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()

    def kill(self) -> None:
        """Kill it without a chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def _end(self) -> None:
        self.process.wait(WAIT_SECONDS)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> Holder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
        self._end()


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    """The rows that *statement* gives, in its own committed transaction."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement.encode())
        return list(cursor.fetchall()) if cursor.description else []


def postmaster(data_dir: Path) -> int | None:
    """The process id in the server's own file, or None when it was stopped."""
    try:
        return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    except FileNotFoundError:
        return None


def alive(pid: int) -> bool:
    """Whether *pid* is a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def main(folder: str, user: str | None = None) -> None:
    psycopg.connect  # noqa: B018  # loaded before the right to read it is given up
    if user is not None:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    server = EmbeddedServer(Path(folder))
    obey = {"ensure": server.ensure_running, "release": server.release, "join": server.acquire}
    _report(server.acquire)
    for line in sys.stdin:
        _report(obey[line.strip()])
    server.release()


def _report(act: object) -> None:
    try:
        answer = {"url": act() or ""}  # type: ignore[operator]
    except DatabaseError as error:
        answer = {"error": str(error), "hint": error.hint or ""}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
