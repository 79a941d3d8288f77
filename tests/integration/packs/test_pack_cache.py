"""The files of packs on a host: fetched once, whole or not at all, and mended where somebody has damaged them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from attune.core.errors import DatabaseError, UsageError
from attune.core.executions.work import Work
from attune.core.packs.pack import PackFile, digest_of
from attune.host.contract.execution_contract import default_contract
from attune.host.contract.landlock import landlock_version
from attune.host.executions.runner import HostWorkRunner
from attune.host.packs.cache import PackCache

pytestmark = pytest.mark.anyio
FILES = [PackFile("pack.yaml", b"ref: x"), PackFile("actions/a.sh", b"echo 1", executable=True)]
DIGEST = digest_of(FILES)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Store:
    """The versions that there are, and how often they were asked for."""

    def __init__(self, files: Sequence[PackFile] | None = FILES) -> None:
        self.files = files
        self.asked = 0

    async def fetch(self, digest: str) -> Sequence[PackFile] | None:
        self.asked += 1
        await asyncio.sleep(0.01)
        return self.files


async def test_a_version_is_fetched_once_and_stays(tmp_path: Path) -> None:
    store = Store()
    cache = PackCache(tmp_path / "packs", store.fetch)
    folders = await asyncio.gather(*(cache.folder(DIGEST) for _ in range(5)))
    assert {*folders} == {tmp_path / "packs" / DIGEST}
    assert (folders[0] / "actions" / "a.sh").read_bytes() == b"echo 1"
    assert (folders[0] / "actions" / "a.sh").stat().st_mode & 0o777 == 0o700
    assert (folders[0] / "pack.yaml").stat().st_mode & 0o777 == 0o600
    await PackCache(tmp_path / "packs", store.fetch).folder(DIGEST)
    assert store.asked == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another group")
async def test_those_who_run_packs_may_read_them_and_nobody_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    await PackCache(data / "packs", Store().fetch).folder(DIGEST)

    folder = await PackCache(data / "packs", Store().fetch, readers=4242).folder(DIGEST)

    modes = {
        path.name: (path.stat().st_gid, path.stat().st_mode & 0o777) for path in (data, folder, *folder.rglob("*"))
    }
    assert modes.pop("data") == (0, 0o711)
    assert modes == {
        DIGEST: (4242, 0o750),
        "actions": (4242, 0o750),
        "a.sh": (4242, 0o750),
        "pack.yaml": (4242, 0o640),
    }


async def test_nodes_that_share_a_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    caches = [PackCache(tmp_path, Store().fetch) for _ in range(8)]
    folders = await asyncio.gather(*(cache.folder(DIGEST) for cache in caches))
    assert {*folders} == {tmp_path / DIGEST}
    assert [one.name for one in tmp_path.iterdir()] == [DIGEST]  # noqa: ASYNC240


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("damage", ["altered", "gone", "added", "linked", "piped", "replaced"])
async def test_a_damaged_version_is_made_anew(tmp_path: Path, damage: str, restarted: bool) -> None:
    elsewhere, told = tmp_path / "elsewhere", list[str]()
    cache = PackCache(tmp_path / "packs", Store().fetch, tell=told.append)
    folder = await cache.folder(DIGEST)
    file = folder / "actions" / "a.sh"
    kept = file.stat()
    match damage:
        case "gone":
            file.unlink()
        case "altered":
            file.write_bytes(b"echo 2")
            os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        case "added":
            file.with_name("b.sh").write_bytes(b"rm -rf /")
        case "linked":
            file.with_name("helper").symlink_to(tmp_path, target_is_directory=True)
        case "piped":
            os.mkfifo(file.with_name("b.sh"))
        case "replaced":
            folder.rename(elsewhere)
            folder.symlink_to(elsewhere)
    next_cache = PackCache(tmp_path / "packs", Store().fetch) if restarted else cache

    assert await next_cache.folder(DIGEST) == folder
    assert not folder.is_symlink()
    assert sorted(one.name for one in (folder / "actions").iterdir()) == ["a.sh"]
    assert file.read_bytes() == b"echo 1"
    assert len(told) == (not restarted)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in which confined programs may not write, unlike those of memory."""
    with TemporaryDirectory(prefix="attune-packs-", dir="/var/tmp") as made:
        yield Path(made)


@pytest.mark.parametrize("confined", [True, False])
async def test_what_work_writes_there_is_never_run_by_the_next(place: Path, confined: bool) -> None:
    script = b'cd "$ATTUNE_PACK_FOLDER/actions"; echo "echo planted" > a.sh; echo 1 > helper.py'
    files = [PackFile("actions/a.sh", script)]
    told: list[str] = []
    cache = PackCache(place / "packs", Store(files).fetch, tell=told.append)
    runner = HostWorkRunner(replace(default_contract(os.environ), confined=confined))

    async def output(_stream: str, _text: str) -> None:
        pass

    for _ in range(2):
        folder = await cache.folder(digest_of(files))
        assert [path.read_bytes() for path in folder.rglob("*") if path.is_file()] == [script]
        work = Work(
            folder / "actions" / "a.sh",
            "/bin/sh",
            environment={"ATTUNE_PACK_FOLDER": str(folder)},
            timeout_seconds=60,
        )
        assert (await runner.run(work, output)).exit_code is not None
    written = (folder / "actions" / "a.sh").read_bytes() != script
    assert written == (not confined or not landlock_version())
    assert len(told) == written


async def test_what_nobody_has_or_is_not_what_it_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one that the database has, got none"):
        await PackCache(tmp_path, Store(None).fetch).folder(DIGEST)
    with pytest.raises(DatabaseError, match="not what its digest says"):
        await PackCache(tmp_path, Store(FILES[:1]).fetch).folder(DIGEST)
    with pytest.raises(UsageError, match="expected 64 hex digits"):
        await PackCache(tmp_path, Store().fetch).folder("../../etc")
    assert not [*tmp_path.iterdir()]  # noqa: ASYNC240


@pytest.mark.parametrize("path", ["../out", "/out", "a/../../out"])
async def test_no_file_is_written_outside(tmp_path: Path, path: str) -> None:
    files = [PackFile(path, b"x")]
    with pytest.raises(UsageError, match="expected a path inside the pack"):
        await PackCache(tmp_path / "packs", Store(files).fetch).folder(digest_of(files))
    assert not (tmp_path / "out").exists()
    assert not [*(tmp_path / "packs").iterdir()]
