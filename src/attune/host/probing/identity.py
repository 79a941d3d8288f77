"""What the answer of a native binary depends on, as a list of files and one digest of their state.

The list also names files that are absent: a library that appears earlier in the search changes the answer too.
Which binary a version manager selects is worked out in `selectors`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from attune.host.probing.elf import Elf, read_elf
from attune.host.version_managers.selectors_trail import Selection

_MOST_FILES = 2048
_SYSTEM_WIDE = ("/etc/ld.so.cache", "/etc/ld.so.preload")
# Files that decide what these binaries print and that they open themselves, relative to their folder.
_JAVA = ("../lib/modules", "../lib/server/libjvm.so", "../lib/jvm.cfg", "../release")
_OPENED_LATER = {"java": _JAVA, "javac": _JAVA}


@dataclass(frozen=True, slots=True)
class Identity:
    """The state of everything that one answer depends on. `newest` is the latest change of it, since the epoch.

    `routes` are paths on the way to a selected binary, each with its real path.
    """

    real_path: str
    files: tuple[str, ...]
    digest: str
    newest: float = 0.0
    routes: tuple[tuple[str, str], ...] = ()


State = tuple[int, ...] | None
_FACTS = 5


class Identifier:
    """Finds identities; remembers what it has looked at, so use a new one for each run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._states: dict[str, State] = {}
        self._real_paths: dict[str, str] = {}
        self._elves: dict[str, Elf | None] = {}
        self._library_path = tuple(f for f in environment.get("LD_LIBRARY_PATH", "").split(":") if f)
        self._standard = _standard_folders()

    def identify(self, real_path: str) -> Identity | None:
        """The identity of the native binary at *real_path*; None if it is none or its needs cannot be followed."""
        files = self._files_of(real_path, self._library_path)
        return self._identity(real_path, files) if files else None

    def identify_selection(self, real_path: str, selection: Selection) -> Identity | None:
        """The identity of what the file at *real_path* runs according to *selection*; None as for `identify`."""
        routes = tuple((place, self._real_path(place)) for place in selection.places)
        files = dict.fromkeys((real_path, *selection.files))
        wanted = [(selection.target, (*selection.libraries, *self._library_path))]
        wanted += [(binary, self._library_path) for binary in selection.binaries]
        for binary, library_path in wanted:
            needed = self._files_of(self._real_path(binary), library_path)
            if needed is None:
                return None
            files.update(dict.fromkeys(needed))
        return self._identity(real_path, files, routes) if len(files) <= _MOST_FILES else None

    def leads(self, routes: Iterable[tuple[str, str]]) -> bool:
        """Whether each path of *routes* still has the real path that it had."""
        return all(self._real_path(place) == real_path for place, real_path in routes)

    def digest(self, files: tuple[str, ...]) -> str:
        """A text that differs whenever one of *files* was replaced, changed, added or removed."""
        text = repr([self._state(file) for file in files])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _identity(self, real_path: str, files: Iterable[str], routes: tuple[tuple[str, str], ...] = ()) -> Identity:
        names = tuple(files)
        changes = [change for state in map(self._state, names) if state for change in state[_FACTS - 1 :: _FACTS]]
        return Identity(real_path, names, self.digest(names), max(changes, default=0) / 1e9, routes)

    def _files_of(self, real_path: str, library_path: tuple[str, ...]) -> dict[str, None] | None:
        """What the native binary at *real_path* depends on; None if it is none or its needs cannot be followed."""
        self._states.pop(real_path, None)
        elf = read_elf(real_path)
        if elf is None:
            return None
        files = dict.fromkeys((real_path, *_SYSTEM_WIDE, *((elf.loader,) if elf.loader else ())))
        folder, name = os.path.split(real_path)
        files.update(dict.fromkeys(os.path.normpath(f"{folder}/{later}") for later in _OPENED_LATER.get(name, ())))
        followed = self._follow((real_path, elf), library_path, files)
        return files if followed and len(files) <= _MOST_FILES else None

    def _follow(self, start: tuple[str, Elf], library_path: tuple[str, ...], files: dict[str, None]) -> bool:
        """Add every library that *start* needs, directly or not. False if one is not found."""
        pending: list[tuple[str, Elf, tuple[str, ...]]] = [(*start, ())]
        seen: set[str] = set()
        while pending:
            place, facts, inherited = pending.pop()
            own = tuple(_expanded(folder, place) for folder in facts.rpath)
            early = () if facts.runpath else (*own, *inherited)
            late = tuple(_expanded(folder, place) for folder in facts.runpath)
            for name in facts.needed:
                if name in seen:
                    continue
                seen.add(name)
                found = self._library(name, (*early, *library_path, *late), files)
                needs = self._elf(found) if found else None
                if found is None or needs is None or len(files) > _MOST_FILES:
                    return False
                pending.append((found, needs, (*own, *inherited)))
        return True

    def _library(self, name: str, folders: tuple[str, ...], files: dict[str, None]) -> str | None:
        """The file that library *name* is loaded from; every place that decides this is added to *files*."""
        if "/" in name:
            files[name] = None
            return name if name.startswith("/") and self._state(name) else None
        for folder in dict.fromkeys(folders):
            if not folder.startswith("/") or "$" in folder:
                return None  # relative to the working folder, or with a variable of the loader
            files[f"{folder}/glibc-hwcaps"] = None
            candidate = f"{folder}/{name}"
            files[candidate] = None
            if self._state(candidate):
                return candidate
        # Which of the standard folders wins is the business of ld.so.cache: all of them count.
        candidates = [f"{folder}/{name}" for folder in self._standard]
        files.update(dict.fromkeys(candidates))
        return next((candidate for candidate in candidates if self._state(candidate)), None)

    def _elf(self, path: str) -> Elf | None:
        if path not in self._elves:
            self._elves[path] = read_elf(path)
        return self._elves[path]

    def _state(self, path: str) -> State:
        if path not in self._states:
            self._states[path] = _state_of(path)
        return self._states[path]

    def _real_path(self, path: str) -> str:
        if path not in self._real_paths:
            self._real_paths[path] = os.path.realpath(path)
        return self._real_paths[path]


def _state_of(path: str) -> State:
    """What tells a file from another one; of a link, both the link's own and that of what it leads to."""
    try:
        status = os.lstat(path)
        if not stat.S_ISLNK(status.st_mode):
            return _facts(status)
        return _facts(status) + _facts(os.stat(path))  # noqa: PTH116
    except (OSError, ValueError):
        return None


def _facts(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _expanded(folder: str, path: str) -> str:
    origin = os.path.dirname(path)  # noqa: PTH120
    return folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)


def _standard_folders() -> tuple[str, ...]:
    triplet = f"{os.uname().machine}-linux-gnu"
    stems = ("/usr/local/lib", "/lib", "/usr/lib")
    folders = [f"{stem}/{triplet}" for stem in stems] + ["/lib64", "/usr/lib64", *stems]
    return tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders if os.path.isdir(folder)))  # noqa: PTH112
