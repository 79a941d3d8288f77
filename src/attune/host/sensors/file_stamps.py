"""What a path, a folder or a pattern names on this host: a stamp for each file, and where they lie."""

import contextlib
import errno
import glob
import os
import re
import stat
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple, TypeVar

from attune.core.errors import UsageError
from attune.core.sensors.file_watch import MOST_FILES, FileView, Stamp

T = TypeVar("T")
# These mean that a file is not there. Others, such as EIO or EMFILE, say nothing of it.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)
_MOUNTS = Path("/proc/self/mountinfo")
# Others do not tell of what happens to the same files on another machine, or in a layer below.
_TELLS = ("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "ramfs", "tmpfs", "vfat", "xfs", "zfs")


class Place(NamedTuple):
    """The folder below which `parts` are looked for; `mounts`: what holds it, and what is mounted below."""

    root: str
    parts: tuple[str, ...]
    real: str
    device: int
    inode: int
    mounts: tuple[tuple[str, str], ...]


def place_of(path: str) -> Place | None:
    """Where *path* is looked for; None if that folder is not there."""
    root, parts = _split(path)
    try:
        status, real = os.stat(root), os.path.realpath(root)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Place(root, parts, real, status.st_dev, status.st_ino, _mounts(real))


def file_view(path: str) -> FileView:
    """The regular files that *path* names now, and where they lie.

    Raises `UsageError` where there are too many, `OSError` where the file system cannot be read.
    """
    place = place_of(path)
    volume = None if place is None else _of(place.root, os.statvfs)
    if place is None or volume is None:
        return FileView("", missing=f"{_split(path)[0]} is not there")
    name = f"{_host()} {volume.f_fsid:x} {place.root}"
    stamps, linked = _stamps(place)
    if place_of(path) != place:
        return FileView("", missing=f"{place.root} has become another folder")
    (holder, disk), *below = place.mounts
    points = [holder] if holder != "/" else []
    for point, _ in below:
        here = f"{place.root}{point[len(place.real) :]}/"
        points += [point] if any(file.startswith(here) for file in stamps) else []
    missing = "" if glob.has_magic(path) or Path(path).exists() else f"{path} is not there"
    told = not linked and all(kind.split()[0] in _TELLS for _, kind in place.mounts)
    return FileView(name, stamps, tuple(points), missing, f"in {place.real} on {disk}", told)


def _split(path: str) -> tuple[str, tuple[str, ...]]:
    """The folder that must be there for *path* to be looked at, and the names below it; "" is any name."""
    parts = path.split("/")
    if glob.has_magic(path):
        plain = next(index for index, part in enumerate(parts) if glob.has_magic(part))
        return "/".join(parts[:plain]) or "/", tuple(part for part in parts[plain:] if part)
    return (path, ("",)) if Path(path).is_dir() else (str(Path(path).parent), (parts[-1],))


def _stamps(place: Place) -> tuple[dict[str, Stamp], bool]:
    """The files, and whether one can also be reached by another way than its folder, which then tells of nothing."""
    stamps: dict[str, Stamp] = {}
    linked = False
    folders = [(place.root, place.parts, False)]
    while folders:
        folder, (part, *rest), by_link = folders.pop()
        if part == "**":
            folders.append((folder, (*rest,) or ("*",), by_link))
        for entry in _of(folder, lambda name: [*os.scandir(name)]) or ():
            if part == "**":
                if entry.name[0] != "." and entry.is_dir(follow_symlinks=False):  # links may lead round in circles
                    folders.append((entry.path, (part, *rest), by_link))
            elif _fits(entry.name, part) and (status := _of(entry.path, os.stat)):
                if rest and stat.S_ISDIR(status.st_mode):
                    folders.append((entry.path, (*rest,), by_link or entry.is_symlink()))
                elif not rest and stat.S_ISREG(status.st_mode):
                    name = os.fsencode(entry.path).decode("utf-8", "replace")
                    stamps[name] = (status.st_mtime_ns, status.st_size, status.st_ino)
                    linked = linked or by_link or status.st_nlink > 1 or entry.is_symlink()
                    if len(stamps) > MOST_FILES:
                        raise UsageError(f"path: expected at most {MOST_FILES} files, got more at {place.root!r}")
    return stamps, linked


def _fits(name: str, part: str) -> bool:
    return not part or (fnmatchcase(name, part) and (name[0] != "." or part[0] == "."))


def _of(name: str, read: Callable[[str], T]) -> T | None:
    """What *read* makes of *name*; None if nothing is there."""
    try:
        return read(name)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None


def _mounts(real: str) -> tuple[tuple[str, str], ...]:
    """What holds the folder *real*, and what is mounted below it: where, and file system and source in one text."""
    mounts = {"/": "an unknown file system"}
    with contextlib.suppress(OSError):
        for line in os.fsdecode(_MOUNTS.read_bytes()).splitlines():
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])
            mounts[point] = " ".join(line.partition(" - ")[2].split()[:2])
    holder = max((point for point in mounts if _holds(point, real)), key=len)
    below = [point for point in sorted(mounts) if point != real and _holds(real, point)]
    return tuple((point, mounts[point]) for point in (holder, *below))


def _holds(folder: str, path: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _host() -> str:
    """What tells this host from others, also after it was booted again."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip() or os.uname().nodename
    except (OSError, UnicodeError):
        return os.uname().nodename
