"""What the answer of a native binary depends on, as a list of files and one digest of their state.

The list also names files that are absent: a library that appears earlier in the search changes the answer too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from attune.host.elf import Elf, read_elf

_MOST_FILES = 2048
_SYSTEM_WIDE = ("/etc/ld.so.cache", "/etc/ld.so.preload")
# Files that decide what these binaries print and that they open themselves, relative to their folder.
_JAVA = ("../lib/modules", "../lib/server/libjvm.so", "../lib/jvm.cfg", "../release")
_OPENED_LATER = {"java": _JAVA, "javac": _JAVA}


@dataclass(frozen=True, slots=True)
class Identity:
    """The state of everything that one answer depends on. `newest` is the latest change of it, since the epoch."""

    real_path: str
    files: tuple[str, ...]
    digest: str
    newest: float = 0.0


State = tuple[int, int, int, int, int] | None


class Identifier:
    """Finds identities; remembers what it has looked at, so use a new one for each run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._states: dict[str, State] = {}
        self._elves: dict[str, Elf | None] = {}
        self._library_path = tuple(f for f in environment.get("LD_LIBRARY_PATH", "").split(":") if f)
        self._standard = _standard_folders()

    def identify(self, real_path: str) -> Identity | None:
        """The identity of the native binary at *real_path*; None if it is none or its needs cannot be followed."""
        self._states.pop(real_path, None)
        elf = read_elf(real_path)
        if elf is None:
            return None
        files = dict.fromkeys((real_path, *_SYSTEM_WIDE, *((elf.loader,) if elf.loader else ())))
        folder, name = os.path.split(real_path)
        files.update(dict.fromkeys(os.path.normpath(f"{folder}/{later}") for later in _OPENED_LATER.get(name, ())))
        if not self._follow(real_path, elf, files) or len(files) > _MOST_FILES:
            return None
        names = tuple(files)
        changes = [state[4] for state in map(self._state, names) if state is not None]
        return Identity(real_path, names, self.digest(names), max(changes, default=0) / 1e9)

    def digest(self, files: tuple[str, ...]) -> str:
        """A text that differs whenever one of *files* was replaced, changed, added or removed."""
        text = repr([self._state(file) for file in files])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _follow(self, path: str, elf: Elf, files: dict[str, None]) -> bool:
        """Add every library that *path* needs, directly or not. False if one is not found."""
        pending: list[tuple[str, Elf, tuple[str, ...]]] = [(path, elf, ())]
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
                found = self._library(name, (*early, *self._library_path, *late), files)
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


def _state_of(path: str) -> State:
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _expanded(folder: str, path: str) -> str:
    origin = os.path.dirname(path)  # noqa: PTH120
    return folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)


def _standard_folders() -> tuple[str, ...]:
    triplet = f"{os.uname().machine}-linux-gnu"
    stems = ("/usr/local/lib", "/lib", "/usr/lib")
    folders = [f"{stem}/{triplet}" for stem in stems] + ["/lib64", "/usr/lib64", *stems]
    return tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders if os.path.isdir(folder)))  # noqa: PTH112
