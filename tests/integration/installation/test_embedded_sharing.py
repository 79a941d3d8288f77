"""Several processes, threads and objects use one embedded server; they come, leave and die in any order."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from attune.postgres.embedded.server import EmbeddedServer
from databases import data_dir, made_folder, tidy_folder
from server_holders import Holder, alive, postmaster, query

__all__ = ["data_dir", "made_folder", "tidy_folder"]
pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def nothing_left(data_dir: Path) -> Iterator[None]:
    yield
    with EmbeddedServer(data_dir):  # whoever died in a test left the server running: the last to leave stops it
        pid = postmaster(data_dir)
    assert pid is not None
    assert not alive(pid)


def test_the_first_starts_it_and_the_last_stops_it(data_dir: Path) -> None:
    first, second = EmbeddedServer(data_dir), EmbeddedServer(data_dir)
    assert first.exists
    assert postmaster(data_dir) is None

    url = first.acquire()
    pid = postmaster(data_dir)
    assert second.acquire() == url
    first.release()
    assert query(url, "SELECT 1") == [(1,)]
    second.release()

    assert pid is not None and not alive(pid)
    assert postmaster(data_dir) is None


def test_releasing_twice_or_without_holding_is_harmless(data_dir: Path) -> None:
    other, server = EmbeddedServer(data_dir), EmbeddedServer(data_dir)
    url = other.acquire()
    server.release()
    server.acquire()
    server.release()
    server.release()

    assert query(url, "SELECT 1") == [(1,)]
    other.release()


def test_acquiring_twice_holds_once(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    assert server.acquire() == server.acquire()
    pid = postmaster(data_dir)
    server.release()

    assert pid is not None and not alive(pid)


def test_rows_outlive_the_server(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        query(server.acquire(), "CREATE TABLE kept AS SELECT 'räksmörgås' AS word")

    with EmbeddedServer(data_dir) as server:
        assert query(server.acquire(), "SELECT word, length(word) FROM kept") == [("räksmörgås", 10)]


def test_processes_share_one_server(data_dir: Path) -> None:
    with Holder(data_dir) as one, Holder(data_dir) as two:
        pids = {query(holder.url, "SELECT pg_postmaster_start_time()")[0] for holder in (one, two)}
        assert len(pids) == 1
        assert one.order("release") == {"url": ""}
        assert query(two.url, "SELECT 1") == [(1,)]
        assert two.order("release") == {"url": ""}
        assert postmaster(data_dir) is None


def test_a_killed_starter_leaves_the_server_to_the_others(data_dir: Path) -> None:
    with Holder(data_dir) as starter, Holder(data_dir) as other:
        pid = postmaster(data_dir)
        starter.kill()
        assert pid is not None
        assert query(other.url, "SELECT 1") == [(1,)]
        assert other.order("release") == {"url": ""}

        assert not alive(pid)


def test_a_killed_holder_is_not_counted(data_dir: Path) -> None:
    with Holder(data_dir) as starter, Holder(data_dir) as other:
        pid = postmaster(data_dir)
        other.kill()
        assert pid is not None
        assert query(starter.url, "SELECT 1") == [(1,)]
        assert starter.order("release") == {"url": ""}

        assert not alive(pid)


def test_a_server_without_holders_is_joined_by_the_next(data_dir: Path) -> None:
    with Holder(data_dir) as only:
        pid = postmaster(data_dir)
        only.kill()
    with Holder(data_dir):
        assert postmaster(data_dir) == pid


def test_interrupting_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    with server:
        pid = postmaster(data_dir)

        assert pid is not None
        assert os.getsid(pid) != os.getsid(0)


def test_five_that_start_at_once_get_one_server(data_dir: Path) -> None:
    shutil.rmtree(data_dir)  # so that they also make the database at once
    with ExitStack() as stack:
        holders = [stack.enter_context(Holder(data_dir, wait=False)) for _ in range(5)]
        urls = [holder.answer().get("url") for holder in holders]
        starts = {query(str(url), "SELECT pg_postmaster_start_time()")[0] for url in urls}

        assert len(set(urls)) == len(starts) == 1
        assert not list(data_dir.glob(".postgres-new-*"))


def test_threads_and_objects_of_one_process_come_and_go(data_dir: Path) -> None:
    failures: list[BaseException] = []

    def come_and_go() -> None:
        try:
            for _ in range(3):
                with EmbeddedServer(data_dir) as server:
                    assert query(server.acquire(), "SELECT 1") == [(1,)]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not failures
    assert postmaster(data_dir) is None


def test_a_child_process_does_not_keep_the_server(data_dir: Path) -> None:
    with Holder(data_dir) as other, subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        assert other.order("release") == {"url": ""}
        assert postmaster(data_dir) is None
        child.kill()


FORK = """
import os, sys, time
from pathlib import Path
from attune.postgres.embedded.server import EmbeddedServer
from server_holders import postmaster
server = EmbeddedServer(Path(sys.argv[1]))
server.acquire()
child = os.fork()
if child == 0:
    held = server.held
    server.release()  # must not stop what the parent holds
    time.sleep(0 if not held else 100)
    if sys.argv[2] == "stay":
        time.sleep(100)
    os._exit(0 if not held else 1)
if sys.argv[2] == "stay":
    last = EmbeddedServer(Path(sys.argv[1]))
    last.acquire()
    server.release()
    last.release()  # the child, still alive, must not keep the server
    running = postmaster(last.data_dir)
    os.kill(child, 9)
    os.waitpid(child, 0)
    sys.exit(0 if running is None else "the child kept the server")
status = os.waitpid(child, 0)[1]
running = postmaster(server.data_dir)
server.release()
sys.exit(0 if status == 0 and running else "the child stopped the server")
"""


@pytest.mark.parametrize("child", ["leave", "stay"])
def test_a_forked_child_neither_keeps_nor_stops_it(data_dir: Path, child: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", FORK, str(data_dir), child]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_stopped_holder_still_counts(data_dir: Path) -> None:
    with Holder(data_dir) as sleeping, Holder(data_dir) as other:
        sleeping.process.send_signal(signal.SIGSTOP)
        assert other.order("release") == {"url": ""}
        still_there = query(sleeping.url, "SELECT 1")
        sleeping.process.send_signal(signal.SIGCONT)

        assert still_there == [(1,)]
