"""Where the commands of this host are: every directory of PATH listed once, every hit confirmed on the disk.

A name that no listing holds costs a few dictionary look-ups and no system call. Running is left to others.
"""

from __future__ import annotations

import itertools
import os
import stat
import time
from dataclasses import dataclass

from attune.core.runtimes.command import Ending
from attune.host.policy import HostPolicy

# Two changes within one tick of the kernel's clock leave the same mtime, so a directory that changed this
# recently is not described by its mtime yet.
_YOUNG_NS = 20_000_000
_distinct = itertools.count()


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that this process may execute."""

    path: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a command cannot be tried; `detail` continues a sentence that begins with the command's name."""

    ending: Ending
    detail: str


_ABSENT = Missing(Ending.NOT_FOUND, "not found on PATH")


@dataclass(frozen=True, slots=True)
class _Listing:
    token: tuple[object, ...]
    names: tuple[frozenset[str] | None, ...]  # per directory; None: ask the disk for each name
    absent: set[str]  # names asked for that no directory holds, as far as the listing decides


class PathIndex:
    """Looks commands up as `execvp` does, within what the host's policy allows. Safe to share between threads.

    Empty and relative entries of *path* are ignored: they would mean the private folder of the check.
    """

    def __init__(self, path: str, policy: HostPolicy | None = None) -> None:
        entries = (entry.rstrip("/") or "/" for entry in path.split(":") if entry.startswith("/"))
        self._directories = tuple(entry for entry in dict.fromkeys(entries) if "\0" not in entry)
        self._policy = policy or HostPolicy()
        self._listing: _Listing | None = None

    def token(self) -> object:
        """A value that compares equal as long as no directory of PATH has changed.

        It covers the *names* in them: a name that is not listed stays "not found on PATH" while the token is the
        same. A listed one may change in place (`chmod`, a link's target), so ask `missing` for it again.
        """
        token = self._stamp()
        if self._listing is not None and self._listing.token != token:
            self._listing = None
        return token

    def missing(self, name: str) -> str | None:
        listing = self._listing
        if listing is not None and name in listing.absent:
            return _ABSENT.detail
        location = self.find(name)
        return location.detail if isinstance(location, Missing) else None

    def find(self, name: str) -> Found | Missing:
        """The file that running *name* would execute, or why there is none."""
        refusal = self._policy.refuses_name(name)
        if refusal:
            return Missing(Ending.REFUSED, refusal)
        location = self._find_absolute(name) if name.startswith("/") else self._find_on_path(name)
        if isinstance(location, Found):
            refusal = self._policy.refuses_file(location.path)
            if refusal:
                return Missing(Ending.REFUSED, refusal)
        return location

    def _find_absolute(self, path: str) -> Found | Missing:
        obstacle = _obstacle(path)
        return Found(path) if obstacle is None else Missing(Ending.NOT_FOUND, obstacle or f"{path} does not exist")

    def _find_on_path(self, name: str) -> Found | Missing:
        if "/" in name or not name:
            return Missing(Ending.NOT_FOUND, "neither a bare name nor an absolute path")
        listing = self._listing or self._list()
        reason = ""
        certain = True
        for directory, names in zip(self._directories, listing.names, strict=True):
            if names is not None and name not in names:
                continue
            certain = False
            path = f"{directory}/{name}" if directory != "/" else f"/{name}"
            obstacle = _obstacle(path)
            if obstacle is None:
                return Found(path)
            reason = reason or obstacle
        if certain:
            listing.absent.add(name)
        return Missing(Ending.NOT_FOUND, reason) if reason else _ABSENT

    def _list(self) -> _Listing:
        token = self._stamp()
        names = tuple(
            None if isinstance(mark, tuple) and mark[0] == "young" else _names(directory)
            for directory, mark in zip(self._directories, token, strict=True)
        )
        self._listing = listing = _Listing(token, names, set())
        return listing

    def _stamp(self) -> tuple[object, ...]:
        now = time.time_ns()
        return tuple([_mark(directory, now) for directory in self._directories])


def _mark(directory: str, now_ns: int) -> object:
    try:
        status = os.stat(directory)  # noqa: PTH116
    except (OSError, ValueError) as error:
        return type(error).__name__
    if now_ns - status.st_mtime_ns < _YOUNG_NS:
        return ("young", next(_distinct))
    return (status.st_mtime_ns, status.st_ino, status.st_dev)


def _names(directory: str) -> frozenset[str] | None:
    try:
        return frozenset(os.listdir(directory))  # noqa: PTH208
    except PermissionError:
        return None  # may still be searchable
    except (OSError, ValueError):
        return frozenset()


def _obstacle(path: str) -> str | None:
    """None if *path* can be executed, "" if nothing is there, else what is in the way."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except PermissionError:
        return f"{path} is in a folder that may not be searched"
    except (OSError, ValueError):
        return f"{path} is a broken link" if os.path.islink(path) else ""  # noqa: PTH114
    if stat.S_ISDIR(status.st_mode):
        return f"{path} is a directory"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a regular file"
    return None if os.access(path, os.X_OK) else f"{path} is not executable"
