"""Locks between processes that the kernel drops when a process dies, so that they cannot go stale.

Each `LockFile` has its own open file description: two of them exclude each other inside one process too. A child
made by fork does not keep its parent's locks, and programs started by us do not inherit them.
"""

import contextlib
import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

from attune.core.errors import DatabaseError

_open_files: "weakref.WeakSet[LockFile]" = weakref.WeakSet()


class LockFile:
    """An open file that can be locked. Raises `OSError` when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _open_files.add(self)

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    @property
    def is_current(self) -> bool:
        """Whether the path still leads to this file: it does not after somebody removed the folder."""
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.stat())
        except OSError:
            return False

    def share(self) -> None:
        """Hold the lock together with others. Blocks while somebody holds it alone."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def try_alone(self) -> bool:
        """Hold the lock alone, if nobody else holds it; otherwise False, and a shared lock may be lost."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Drop the lock. Closing (not unlocking) leaves a lock alone that a parent process holds."""
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)


def _close_all_in_child() -> None:
    for file in list(_open_files):
        file.close()


os.register_at_fork(after_in_child=_close_all_in_child)


@contextlib.contextmanager
def alone(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold the lock of *path* alone; wait *seconds* at most. Raises `DatabaseError` after that, `OSError`."""
    with contextlib.closing(LockFile(path)) as file:
        deadline = time.monotonic() + seconds
        while not file.try_alone():
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"another process has been starting or stopping the embedded PostgreSQL for {seconds:.0f} seconds",
                    hint=f"find it with: fuser {path}",
                )
            time.sleep(0.005)
        yield
