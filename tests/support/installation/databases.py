"""Real databases for tests: one embedded server for the whole run, and a fresh database for each test that asks.

`server_url` is the server; `blank_database` an empty database; `migrated_database` one with Attune's schema, made
from a template, once per run. Import the fixtures in `conftest.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psycopg
import pytest

from attune.postgres.embedded.server import EmbeddedServer
from command_hosts import Machine

TEMPLATE = "attune_template"
"""The database that `migrated_database` is copied from."""


def with_database(url: str, name: str) -> str:
    """*url* with its database replaced by *name*."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def create_database(server_url: str, *, template: str = "template0") -> str:
    """The URL of a new database with a unique name, copied from *template* file by file (40 ms in memory)."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        for last in (*[False] * 9, True):
            try:
                connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'.encode())
                break
            except psycopg.errors.ObjectInUse:  # whoever has just left it takes more than 5 s to end
                if last:
                    raise
    return with_database(server_url, name)


def drop_database(server_url: str, url: str) -> None:
    """Remove the database of *url*, whoever is still connected to it."""
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def make_template(server_url: str, lock: Path, migrate: Callable[[str], object]) -> None:
    """Make the template once for all workers of this run: a new database that `migrate(url)` fills."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with psycopg.connect(server_url, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
                return
            connection.execute("DROP DATABASE IF EXISTS half_made WITH (FORCE)")
            connection.execute("CREATE DATABASE half_made TEMPLATE template0")
        migrate(with_database(server_url, "half_made"))
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE half_made RENAME TO {TEMPLATE}".encode())


def _user_of(folder: Path) -> IO[str]:
    """A file that is locked as long as this worker uses *folder*."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            pytest.exit(f"{folder} belongs to somebody else")
        with contextlib.suppress(FileNotFoundError):
            users = (folder / "workers").open("w")
            fcntl.flock(users, fcntl.LOCK_SH)
            if os.fstat(users.fileno()).st_nlink:
                return users
            users.close()  # the last worker before us has just removed the folder


@pytest.fixture
def tidy_folder(tmp_path: Path) -> Iterator[Path]:
    """`tmp_path`, removed at once: a database takes 40 MB."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with a database that was made and stopped; for copying."""
    folder = tmp_path_factory.mktemp("made") / "data"
    with EmbeddedServer(folder):
        pass
    yield folder
    shutil.rmtree(folder)


def copy_stopped(made: Path, to: Path) -> None:
    """Copy data folder *made*, whose server is not running; the copy's socket is its own."""
    subprocess.run(["cp", "-a", made, to], check=True)
    (to / "postgres.socket").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def migrated_folder(server_dir: Path) -> Path:
    """A data folder as `attune db migrate` makes it, once for all workers of this run; for copying."""
    place = server_dir / "installation"
    with (server_dir / "installation.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not place.exists():
            (making := Machine(server_dir / "making")).folder.mkdir()
            done = making.attune("db", "migrate")
            assert done.returncode == 0, done.stderr
            making.folder.rename(place)
    return place / "data"


@pytest.fixture
def installed(machine: Machine, migrated_folder: Path) -> None:
    """The test's `machine` is as after `attune db migrate`, which takes seconds."""
    copy_stopped(migrated_folder, machine.folder / "data")


@pytest.fixture
def data_dir(made_folder: Path) -> Iterator[Path]:
    """A data folder of this test's own, with a database whose server is not running; short enough for its socket."""
    place = Path(tempfile.mkdtemp(prefix="attune-data-"))
    copy_stopped(made_folder, place / "data")
    yield place / "data"
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def server_dir(request: pytest.FixtureRequest, testrun_uid: str) -> Iterator[Path]:
    """The data folder of this run's server, the same for all xdist workers; removed by the last of them."""
    folder = Path(tempfile.gettempdir(), f"attune-tests-{os.getuid()}-{testrun_uid[:12]}")
    with _user_of(folder) as users:
        yield folder
        fcntl.flock(users, fcntl.LOCK_UN)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(server_dir: Path) -> Iterator[str]:
    """The URL of a running embedded server's own database; make databases with it, keep nothing in it."""
    server = EmbeddedServer(server_dir)
    url = server.acquire()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # the data of a test run need not outlive the machine
        connection.execute("SELECT pg_reload_conf()")
    yield url
    server.release()


@pytest.fixture
def blank_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database that only this test uses."""
    url = create_database(server_url)
    yield url
    drop_database(server_url, url)


@pytest.fixture(scope="session")
def migrate_hook() -> Callable[[str], object]:
    """Fills an empty database with Attune's schema. Override this in `conftest.py`."""
    return lambda url: None


@pytest.fixture(scope="session")
def template_database(server_url: str, server_dir: Path, migrate_hook: Callable[[str], object]) -> str:
    """The name of the database that `migrated_database` copies."""
    make_template(server_url, server_dir / "template.lock", migrate_hook)
    return TEMPLATE


@pytest.fixture
def on_database(machine: Machine, migrated_database: str) -> None:
    """The test's `machine` has a database on this run's server, which no command has to start."""
    machine.variables["DATABASE_URL"] = migrated_database


@pytest.fixture
def migrated_database(server_url: str, template_database: str) -> Iterator[str]:
    """The URL of a database with Attune's schema that only this test uses."""
    url = create_database(server_url, template=template_database)
    yield url
    drop_database(server_url, url)
