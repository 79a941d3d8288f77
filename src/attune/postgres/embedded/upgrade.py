"""Moves the embedded database to the newest PostgreSQL that is installed. The former folder is kept."""

import ctypes
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from attune.core.errors import DatabaseError
from attune.postgres.embedded import cluster, running
from attune.postgres.embedded.account import account_for
from attune.postgres.embedded.binaries import find_binaries, server_programs
from attune.postgres.embedded.folders import Folders
from attune.postgres.embedded.locks import LockFile, alone
from attune.postgres.embedded.server import EmbeddedServer

_HERE, _EXCHANGE = -100, 2  # of renameat2


def upgrade(data: Path, move: Callable[[str, str], object]) -> tuple[int, int, Path | None]:
    """The versions before and after, and where the former folder is kept; None where nothing was to be done.

    *move* copies from the one server to the other. Raises `DatabaseError`; then the database is as it was.
    """
    folders, target = Folders(data), find_binaries()
    old = cluster.major_version(folders.cluster)
    if old is None:
        raise DatabaseError(f"nothing here yet: {data} has no database", hint="attune up")
    if old >= target.major:
        return old, target.major, None
    binaries, account, half = server_programs(old), account_for(folders.cluster), data / ".upgrade"
    with alone(folders.lock, seconds=90.0), closing(LockFile(folders.holders)) as holder:
        if not holder.try_alone():
            raise DatabaseError(f"expected nobody to use the database in {data}", hint="attune down")
        shutil.rmtree(half, ignore_errors=True)  # of one that was interrupted
        running.start(folders, account, binaries)
        try:
            with EmbeddedServer(half) as server:
                move(running.url(folders, account) or "", server.acquire())
        finally:
            running.stop(folders, account)
        names = (f"postgres-{old}{f'.{number}' if number else ''}" for number in range(1000))
        kept = next(data / name for name in names if not os.path.lexists(data / name))
        _exchange(half / "postgres", folders.cluster)
        (half / "postgres").rename(kept)
        shutil.rmtree(half)
    return old, target.major, kept


def _exchange(one: Path, other: Path) -> None:
    """Each takes the name of the other, at the same moment. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))
