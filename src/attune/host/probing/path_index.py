"""Where the commands of this host are: every directory of PATH listed once, every hit confirmed on the disk.

A name that no listing holds costs a few dictionary look-ups and no system call. Running is left to others.
"""

import itertools
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from attune.core.errors import legible
from attune.core.runtimes.command import Ending, Found, Missing
from attune.host.contract.ownership import Programs
from attune.host.contract.policy import HostPolicy
from attune.host.probing.directory_reader import DirectoryReader
from attune.host.probing.refusal import explain

# Two changes within one tick of the kernel's clock leave the same mtime, so a directory that changed this
# recently is not described by its mtime yet.
_YOUNG_NS = 20_000_000
_distinct = itertools.count()


_SILENT = "does not answer"
_FILE = "no directory"
_NOWHERE = "/dev/null"  # an empty PATH would mean the working folder
_VERSIONED = re.compile(r"(.*[^\d.-])-?\d+(?:\.\d+)*")
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Listing:
    token: tuple[object, ...]
    names: tuple[frozenset[str] | None, ...]  # per directory; None: ask the disk for each name
    refusals: dict[str, Missing]  # the directories that commands are not taken from
    absent: dict[str, Missing]  # names asked for that no directory holds, as far as the listing decides

    def silent(self, directories: Sequence[str]) -> list[str]:
        """Those of *directories* that did not answer."""
        return [path for path, mark in zip(directories, self.token, strict=True) if mark == _SILENT]


class PathIndex:
    """Looks commands up as `execvp` does, but passes over what the host's policy refuses. Threads may share it.

    Empty and relative entries of *path* are ignored: they would mean the private folder of the check. A shell expands
    `~` and `$HOME` before they get into PATH, so what still has them, or quotes, is relative.
    """

    def __init__(self, path: str, policy: HostPolicy | None = None) -> None:
        entries = (entry.rstrip("/") or "/" for entry in path.split(":") if entry.startswith("/"))
        self._directories = tuple(entry for entry in dict.fromkeys(entries) if "\0" not in entry)
        self._relative = tuple(dict.fromkeys(entry for entry in path.split(":") if entry and not entry.startswith("/")))
        self._policy = policy or HostPolicy()
        self._reader = DirectoryReader()
        self._listing: _Listing | None = None
        self._files: dict[str, Missing | None] = {}  # since the last token: why they are refused
        self._programs: Programs = {}

    def token(self) -> object:
        """A value that compares equal as long as no directory of PATH has changed.

        It covers the *names* in them: a name that is not listed stays "not found on PATH" while the token is the
        same. A listed one may change in place (`chmod`, a link's target), so ask for it again.
        """
        self._files, self._programs = {}, {}
        token, listing = self._stamp(), self._listing
        if listing is not None and listing.token != token:
            self._listing = None
        elif listing is not None and listing.refusals != self._refused(list(listing.refusals)):
            self._listing = None
            return (token, next(_distinct))
        return token

    def refusals(self) -> tuple[str, ...]:
        """Why directories of PATH are passed over."""
        listing = self._listing or self._list()
        silent = [f"PATH directory {path} {_SILENT}" for path in listing.silent(self._directories)]
        return (*self._ignored(listing), *silent, *(refusal.detail for refusal in listing.refusals.values()))

    def _ignored(self, listing: _Listing) -> list[str]:
        """What of PATH is no folder that commands could be taken from."""
        files = [path for path, mark in zip(self._directories, listing.token, strict=True) if mark == _FILE]
        relative = [f"PATH entry {legible(entry)} is ignored: it is no absolute path" for entry in self._relative]
        return [*relative, *(f"PATH entry {path} is ignored: it is no directory" for path in files)]

    def _absent(self, name: str, listing: _Listing) -> Missing:
        """That *name* is not there: with the names of versions that are, and what of PATH is ignored."""
        stem = name.rstrip("0123456789.-")
        alike = {
            other
            for names in listing.names
            for other in (names or () if stem else ())
            if other.startswith(stem) and (version := _VERSIONED.fullmatch(other)) and version[1] == stem
        }
        numbers = {other: [int(part) for part in re.findall(r"\d+", other[len(stem) :])] for other in alike}
        newest = sorted(alike, key=numbers.__getitem__, reverse=True)[:_MOST_NAMED]
        has = f", which has {', '.join(map(legible, newest))}" if newest else ""
        return Missing(Ending.NOT_FOUND, "; ".join([f"not found on PATH{has}", *self._ignored(listing)]))

    def trusted_path(self) -> str:
        """PATH with only the directories from which commands may be executed."""
        listing = self._listing or self._list()
        there = self._there(listing.token)
        return ":".join(directory for directory in there if directory not in listing.refusals) or _NOWHERE

    def find(
        self, name: str, args: Sequence[str] | None = None, failed: Collection[str] = frozenset()
    ) -> Found | Missing:
        """The file that running *name* would execute, or why there is none. With *args*, whether they are allowed.

        On PATH, files whose real path is one of *failed* are passed over.
        """
        if (listing := self._listing) is not None and name in listing.absent:
            return listing.absent[name]
        refusal = self._policy.refuses_name(name, args)
        if refusal and not self._has_allowed_name(name, args):
            return Missing(Ending.REFUSED, refusal)
        return self._find_absolute(name) if name.startswith("/") else self._find_on_path(name, failed)

    def _has_allowed_name(self, path: str, args: Sequence[str] | None) -> bool:
        """Whether *path* is what an allowed name stands for."""
        folder, _, name = path.rpartition("/")
        if not folder or self._policy.refuses_name(name, args):
            return False
        location = self._find_on_path(name)
        return isinstance(location, Found) and location.path == path

    def _find_absolute(self, path: str) -> Found | Missing:
        obstacle = _obstacle(path)
        if obstacle is not None:
            return Missing(Ending.NOT_FOUND, obstacle or f"{path} does not exist")
        return self._refusal(path) or Found(path)

    def _find_on_path(self, name: str, failed: Collection[str] = frozenset()) -> Found | Missing:
        if "/" in name or not name:
            return Missing(Ending.NOT_FOUND, "neither a bare name nor an absolute path")
        listing = self._listing or self._list()
        reason, certain = "", True
        refused = [f"PATH directory {path} {_SILENT}" for path in listing.silent(self._directories)]
        silent = "; ".join(refused)
        for directory, names in zip(self._directories, listing.names, strict=True):
            if names is not None and name not in names:
                continue
            certain = False
            path = f"{directory}/{name}" if directory != "/" else f"/{name}"
            obstacle = _obstacle(path)
            if obstacle is not None:
                reason = reason or obstacle
                continue
            refusal = listing.refusals.get(directory) or self._refusal(path)
            if refusal is None and failed and os.path.realpath(path) in failed:
                continue
            if refusal is None:
                return Found(path, tuple(refused))
            if refusal.ending is Ending.UNDECIDED:
                return refusal
            refused.append(refusal.detail if refusal.detail.startswith(path) else f"{path}: {refusal.detail}")
        if silent:
            return Missing(Ending.UNDECIDED, silent)
        if refused:
            return Missing(Ending.REFUSED, "; ".join(refused))
        absent = Missing(Ending.NOT_FOUND, reason) if reason else self._absent(name, listing)
        if certain:
            listing.absent[name] = absent
        return absent

    def _refusal(self, path: str) -> Missing | None:
        if path not in self._files:
            self._files[path] = _answer(partial(self._policy.refuses_file, known=self._programs), path)
        return self._files[path]

    def _refused(self, directories: Sequence[str]) -> dict[str, Missing]:
        refuses = self._policy.ownership.refuses_folder
        answers = self._reader.ask(lambda directory: (_answer(refuses, directory),), directories)
        refusals = {
            directory: Missing(Ending.UNDECIDED, f"PATH directory {directory} {_SILENT}")
            if answer is None
            else answer[0]
            for directory, answer in zip(directories, answers, strict=True)
        }
        return {directory: refusal for directory, refusal in refusals.items() if refusal is not None}

    def _there(self, token: Sequence[object]) -> list[str]:
        return [path for path, mark in zip(self._directories, token, strict=True) if not isinstance(mark, str)]

    def _list(self) -> _Listing:
        token = self._stamp()
        old = {path for path, mark in zip(self._directories, token, strict=True) if not _is_young(mark)}
        there = [path for path in self._there(token) if path in old]
        listed = dict(zip(there, self._reader.ask(lambda path: (_names(path),), there), strict=True))
        silent = {path for path, answer in listed.items() if answer is None}
        token = tuple(
            [_SILENT if path in silent else mark for path, mark in zip(self._directories, token, strict=True)]
        )
        nothing = (frozenset[str](),)
        names = tuple((listed.get(path) or nothing)[0] if path in old else None for path in self._directories)
        self._listing = listing = _Listing(token, names, self._refused(self._there(token)), {})
        return listing

    def _stamp(self) -> tuple[object, ...]:
        marks = self._reader.ask(partial(_mark, now_ns=time.time_ns()), self._directories)
        return tuple([_SILENT if mark is None else mark for mark in marks])


def _is_young(mark: object) -> bool:
    return isinstance(mark, tuple) and mark[0] == "young"


def _answer(refuses: Callable[[str], str | None], path: str) -> Missing | None:
    try:
        reason = refuses(path)
    except OSError as error:
        shortage = explain(error, path)
        return Missing(shortage.ending, shortage.detail)
    return None if reason is None else Missing(Ending.REFUSED, reason)


def _mark(directory: str, now_ns: int) -> object:
    try:
        status = os.stat(directory)  # noqa: PTH116
    except (OSError, ValueError) as error:
        return type(error).__name__
    if not stat.S_ISDIR(status.st_mode):
        return _FILE
    if now_ns - status.st_mtime_ns < _YOUNG_NS:
        return ("young", next(_distinct))
    return (status.st_mtime_ns, status.st_ino, status.st_dev, status.st_mode, status.st_uid, status.st_gid)


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
