"""What tells whether files have changed: a stamp for each file that a path, a folder or a pattern names."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attune.core.errors import UsageError
from attune.core.sensors.file_watch import MOST_FILES, Stamp


def file_stamps(path: str) -> dict[str, Stamp]:
    """The stamps of the regular files that *path* names, by path. Raises `UsageError` where there are too many."""
    stamps: dict[str, Stamp] = {}
    for name in _names(path):
        try:
            status = os.stat(name)  # noqa: PTH116
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            stamps[os.fsencode(name).decode("utf-8", "replace")] = (status.st_mtime_ns, status.st_size, status.st_ino)
            if len(stamps) > MOST_FILES:
                raise UsageError(f"path: expected at most {MOST_FILES} files, got more at {path!r}")
    return stamps


def _names(path: str) -> Iterator[str]:
    if glob.has_magic(path):
        yield from glob.iglob(path, recursive=True)  # noqa: PTH207
    elif Path(path).is_dir():
        with os.scandir(path) as entries:
            yield from (entry.path for entry in entries)
    else:
        yield path
