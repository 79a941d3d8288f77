"""Where the files of packs lie on this host: a folder for each version, made once from what the database has."""

import asyncio
import contextlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath

from attune.core.errors import DatabaseError, PlaceError, UsageError
from attune.core.nodes.place import described
from attune.core.packs.pack import PackFile, digest_of
from attune.host.probing.file_probe import state_of

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEPT = 20
_DAY = 86_400.0

FolderState = dict[str, tuple[int, ...]]
Fetch = Callable[[str], Awaitable[Sequence[PackFile] | None]]


@dataclass(eq=False)
class PackCache:
    """`PackFolders` below *root*. *fetch* gives the files of a version, None where nobody has it any more.

    The *readers*, a group, may read them too: the one as which packs are run, where that is not our own. *tell* hears
    of a version that somebody has changed here, and that is made anew. Actions in Python can import *helper_files*.
    """

    root: Path
    fetch: Fetch
    readers: int | None = None
    tell: Callable[[str], None] = lambda _: None
    helper_files: Sequence[PackFile] = ()
    _ready: dict[str, FolderState] = field(default_factory=dict)
    _making: dict[str, asyncio.Task[Path]] = field(default_factory=dict)

    async def folder(self, digest: str) -> Path:
        """The folder with the files of *digest* and nothing else, fetched if need be.

        Raises `DatabaseError`, `UsageError`; of the latter, a `PlaceError` where they cannot be written here.
        """
        known = self._ready.get(digest)
        if known is not None and known == await asyncio.to_thread(_state, self.root / digest):
            return self.root / digest
        if not _DIGEST.fullmatch(digest):
            raise UsageError(f"pack version: expected 64 hex digits, got {digest!r}")
        making = self._making.get(digest)
        if making is None:
            making = self._making[digest] = asyncio.create_task(self._make(digest))
            making.add_done_callback(lambda _: self._making.pop(digest, None))
        return await asyncio.shield(making)

    async def helper(self) -> Path:
        """The folder with `helper_files`. Raises what `folder` raises."""
        return await self.folder(digest_of(self.helper_files))

    async def _make(self, digest: str) -> Path:
        target = self.root / digest
        state = await asyncio.to_thread(self._settled, target, digest)
        if state is None:
            if digest in self._ready:
                self.tell(f"files of pack version {digest[:12]} were changed in {target}: they are written anew")
            files = self.helper_files if digest == digest_of(self.helper_files) else await self.fetch(digest)
            if files is None:
                raise UsageError(
                    f"pack version {digest[:12]}: expected one that the database has, got none",
                    hint="load the pack again: attune pack load DIR",
                )
            if digest_of(files) != digest:
                raise DatabaseError(f"pack version {digest[:12]}: its files are not what its digest says")
            await self._write(target, files)
            state = await asyncio.to_thread(self._settled, target, digest)
        if state is None:
            raise PlaceError(f"the files of a pack were changed in {target} while they were written")
        self._ready[digest] = state
        await asyncio.to_thread(_forget_old, self.root, frozenset(self._ready))
        return target

    def _settled(self, target: Path, digest: str) -> FolderState | None:
        """The state of *target* while it has the files of *digest* and nothing else, None if it has not."""
        if not _is_whole(target, digest):
            return None
        os.utime(target)
        if self.readers is not None:
            _share(target, self.readers)
        state = _state(target)
        return state if _is_whole(target, digest) else None

    async def _write(self, target: Path, files: Sequence[PackFile]) -> None:
        try:
            await asyncio.to_thread(_write, target, files)
        except OSError as error:
            raise PlaceError(f"the files of a pack cannot be written: {described(error, str(target))}") from error


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        return digest_of(_files_in(folder)) == digest
    except OSError:
        return False


def _state(folder: Path) -> FolderState | None:
    """What tells one state of all that is in *folder* from another, None where it cannot be looked at."""
    try:
        paths = [folder, *(Path(parent) / name for parent, *names in os.walk(folder) for name in chain(*names))]
        return {str(path): state_of(path.lstat()) for path in paths}
    except OSError:
        return None


def _files_in(folder: Path) -> Iterator[PackFile]:
    if folder.is_symlink() or not folder.is_dir():
        raise FileNotFoundError(folder)
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent) / name for name in chain(folders, names)):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                yield PackFile(path.relative_to(folder).as_posix(), path.read_bytes(), bool(mode & 0o100))
            elif not stat.S_ISDIR(mode):
                raise FileExistsError(path)


def _write(target: Path, files: Sequence[PackFile]) -> None:
    """Write beside *target* and move there, so that a folder of that name is always whole."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        for file in files:
            path = PurePosixPath(file.path)
            if path.is_absolute() or ".." in path.parts or "\0" in file.path or not path.parts:
                raise UsageError(f"pack file: expected a path inside the pack, got {file.path!r}")
            there = new / path
            there.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            there.touch(0o700 if file.executable else 0o600, exist_ok=False)
            there.write_bytes(file.content)
        for _ in range(3):
            try:
                new.rename(target)
                return
            except OSError:  # somebody made it meanwhile, or what is there is damaged
                if _is_whole(target, digest_of(files)):
                    return
                with contextlib.suppress(OSError):
                    target.rename(Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent), "it"))
    finally:
        for left in (new, *target.parent.glob(".old-*")):
            shutil.rmtree(left, ignore_errors=True)


def _share(target: Path, group: int) -> None:
    """Let *group* read what is in *target*, and pass through what is above it in the data folder."""
    data = target.parent.parent
    data.chmod(data.stat().st_mode & 0o7777 | 0o011)
    for path in (target.parent, target, *target.rglob("*")):
        mode = path.stat().st_mode & 0o700
        if path.stat().st_gid != group:
            os.chown(path, -1, group)
        path.chmod(mode | (mode & 0o500) >> 3)


def _forget_old(root: Path, used: frozenset[str]) -> None:
    """Remove versions that were not used for a day, but for the last ones."""
    with contextlib.suppress(OSError):
        versions = [(path.stat().st_mtime, path) for path in root.iterdir() if _DIGEST.fullmatch(path.name)]
        for touched, path in sorted(versions, reverse=True)[_KEPT:]:
            if path.name not in used and touched < time.time() - _DAY:
                shutil.rmtree(path, ignore_errors=True)
