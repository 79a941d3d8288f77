"""`attune db dump` and `restore`: what is written while a database is used, and what is there after a restore."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from attune.cli.main import run
from attune.core.errors import DatabaseError
from attune.postgres import dumps
from attune.postgres.connection import with_schema
from attune.postgres.dumps import dump, restore
from attune.postgres.embedded.binaries import client_programs
from attune.postgres.migrations.run import upgrade
from database_digests import digests
from databases import create_database, drop_database
from filled_database import inhabit
from waiting import wait_for

TOKENS = """
    INSERT INTO api_token (name, digest, scope, created_by)
    SELECT 'a' || n, sha256(n::text::bytea), 'read', 'ann' FROM generate_series(%s::int, %s::int) AS n
"""


ENVIRONMENT = {"PATH": os.environ["PATH"]}


def nobody(_: int) -> None: ...


def dumped(url: str, file: Path) -> dict[str, int]:
    return dict(dump(url, file, ENVIRONMENT, nobody))


@pytest.fixture(scope="module")
def filled(server_url: str, template_database: str) -> Iterator[str]:
    url = create_database(server_url, template=template_database)
    inhabit(url)
    yield url
    drop_database(server_url, url)


@pytest.fixture
def file(filled: str, tmp_path: Path) -> Path:
    dumped(filled, tmp_path / "attune.dump")
    return tmp_path / "attune.dump"


@pytest.mark.parametrize("target", ["blank_database", "migrated_database"])
def test_a_restored_database_has_every_row_and_every_right(
    filled: str, file: Path, target: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url := request.getfixturevalue(target))

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(["db", "restore", str(file)]) == 0
    assert digests(url) == digests(filled)
    assert run(["db", "check"]) == 0
    assert run(["worker", "list"]) == 0


def test_a_schema_of_its_own_is_restored_as_that(blank_database: str, server_url: str, tmp_path: Path) -> None:
    own = with_schema(blank_database, "ours")
    upgrade(own)
    before = digests(own, "ours")
    dumped(own, file := tmp_path / "x")
    with psycopg.connect(blank_database) as connection:
        connection.execute("DROP SCHEMA ours CASCADE; CREATE TABLE invoice (id int)")
    restore(own, file, ENVIRONMENT, nobody)

    assert digests(own, "ours") == before
    with pytest.raises(DatabaseError, match=r"expected an empty database or one of Attune, got other tables: invoice"):
        restore(blank_database, file, ENVIRONMENT, nobody)


def test_a_dump_is_of_one_moment_although_rows_come_and_go(migrated_database: str, tmp_path: Path) -> None:
    begun, stop = threading.Event(), threading.Event()

    def write() -> None:
        with psycopg.connect(migrated_database, autocommit=True) as connection:
            for number in count():
                connection.execute(TOKENS, [number, number])
                begun.set()
                if stop.is_set():
                    return

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait(30)
    try:
        rows = dumped(migrated_database, tmp_path / "x")
    finally:
        stop.set()
        writer.join()

    assert rows["api_token"] > 0


def test_whoever_is_connected_is_named_and_nothing_changes(filled: str, file: Path) -> None:
    before = digests(filled)
    with (
        psycopg.connect(filled, application_name="attune worker"),
        pytest.raises(DatabaseError, match=r"expected nobody to use the database, got attune worker \(process \d+ of"),
    ):
        restore(filled, file, ENVIRONMENT, nobody)

    assert digests(filled) == before


@pytest.mark.parametrize("damage", ["cut", "no dump", "changed", "newer", "lost rows"])
def test_what_is_no_whole_dump_changes_nothing(
    filled: str, file: Path, damage: str, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = file.read_bytes()
    if damage == "newer":
        monkeypatch.setattr(dumps, "NAMES", ("20260101000001_x",))
    elif damage == "lost rows":
        script = dumps._Programs.script
        skipped = lambda *a: ((t, line) for t, line in script(*a) if b"core.python" not in line)  # noqa: E731
        monkeypatch.setattr(dumps._Programs, "script", skipped)
    else:
        middle = len(whole) // 2
        changed = whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 2000]) + whole[middle + 2000 :]
        file.write_bytes({"cut": whole[:-3000], "no dump": b"hello", "changed": changed}[damage])
    before = digests(migrated_database)
    with pytest.raises(DatabaseError, match=r"expected (a whole dump in|a dump of Attune up to|\d+ rows in)|refused"):
        restore(migrated_database, file, ENVIRONMENT, nobody)

    assert digests(migrated_database) == before


def test_a_restore_that_is_killed_leaves_the_database_as_it_was(
    migrated_database: str, server_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(migrated_database) as connection:
        connection.execute(TOKENS, [1, 60_000])
    dumped(migrated_database, file := tmp_path / "x")
    before = digests(migrated_database)
    environment = {**os.environ, "DATABASE_URL": migrated_database}
    argv = [sys.executable, "-m", "attune", "db", "restore", str(file)]
    restoring = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    name = migrated_database.split("?", maxsplit=1)[0].rpartition("/")[2]
    works = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = %s AND application_name = 'psql' AND xact_start IS NOT NULL"
    )
    with psycopg.connect(server_url, autocommit=True) as watcher:
        wait_for(lambda: watcher.execute(works, [name]).fetchone() != (0,))
        os.killpg(restoring.pid, signal.SIGKILL)
        restoring.wait()
        wait_for(lambda: watcher.execute(works, [name]).fetchone() == (0,))

    assert digests(migrated_database) == before


def test_a_dump_that_fails_leaves_the_former_file_alone(
    filled: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()
    monkeypatch.setattr(dumps._Programs, "script", lambda *_: ())
    with pytest.raises(DatabaseError, match=r"expected \d+ rows of \w+ in the dump, got 0"):
        dumped(filled, file)

    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_programs_of_a_fitting_version_are_told_where_there_are_none() -> None:
    with pytest.raises(DatabaseError, match=r"expected pg_dump of PostgreSQL 99 or newer, got .*18\.") as refused:
        client_programs(99, None)

    assert refused.value.hint == "install the client programs of PostgreSQL 99, on Debian: postgresql-client-99"
    assert (client_programs(18, None) / "pg_dump").exists()


def test_a_password_is_not_among_the_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[object, object]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda argv, env, **_: started.append((argv, env)))
    dumps._Programs("postgresql://ann:hidden@db/attune", Path("/x"), {"LANG": "C"}).start("psql", "-X")

    assert "hidden" not in str(started[0][0])
    assert started[0][1] == {"LANG": "C", "PGPASSWORD": "hidden"}
