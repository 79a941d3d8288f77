"""What a path, a folder or a pattern names on this host: a stamp for each file, and where they lie."""

import errno
import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attune.core.errors import UsageError
from attune.core.sensors.file_watch import MOST_FILES, FileView, Stamp

_AWAY = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN)  # of a file system, not of a file


def file_view(path: str) -> FileView:
    """The regular files that *path* names now, and where they lie.

    Raises `UsageError` where there are too many, `OSError` where the file system cannot be read.
    """
    root, missing = _root(path)
    try:
        before = os.stat(root)  # noqa: PTH116
        place = f"{_host()} {os.statvfs(root).f_fsid:x} {root}"
        files = {} if missing else _stamps(path)
        after = os.stat(root)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return FileView("", missing=f"{root} is not there")
    if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino):
        return FileView("", missing=f"{root} has become another folder")
    return FileView(place, files, Path(root).is_mount(), missing)


def _stamps(path: str) -> dict[str, Stamp]:
    stamps: dict[str, Stamp] = {}
    for name in _names(path):
        try:
            status = os.stat(name)  # noqa: PTH116
        except OSError as error:
            if error.errno in _AWAY:
                raise
            continue
        if stat.S_ISREG(status.st_mode):
            stamps[os.fsencode(name).decode("utf-8", "replace")] = (status.st_mtime_ns, status.st_size, status.st_ino)
            if len(stamps) > MOST_FILES:
                raise UsageError(f"path: expected at most {MOST_FILES} files, got more at {path!r}")
    return stamps


def _root(path: str) -> tuple[str, str]:
    """The folder that must be there for *path* to be looked at, and what of a path without wildcards is missing."""
    if glob.has_magic(path):
        parts = path.split("/")
        plain = next(index for index, part in enumerate(parts) if glob.has_magic(part))
        return "/".join(parts[:plain]) or "/", ""
    if Path(path).is_dir():
        return path, ""
    return str(Path(path).parent), "" if Path(path).exists() else f"{path} is not there"


def _host() -> str:
    """What tells this host from others, also after it was booted again."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip() or os.uname().nodename
    except (OSError, UnicodeError):
        return os.uname().nodename


def _names(path: str) -> Iterator[str]:
    if glob.has_magic(path):
        yield from glob.iglob(path, recursive=True)  # noqa: PTH207
    elif Path(path).is_dir():
        with os.scandir(path) as entries:
            yield from (entry.path for entry in entries)
    else:
        yield path
