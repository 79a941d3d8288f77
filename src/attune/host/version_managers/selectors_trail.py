"""Collects what the choice of a version manager depends on, while somebody else works out that choice.

Everything that is looked at is noted: what exists, what does not, and where links lead. In doubt: `DoubtError`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from attune.host.probing.sandbox import parent_folders


class DoubtError(Exception):
    """What the manager would choose is not certain; the command has to be run."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The binary that a manager runs for a command, and what this depends on.

    `files` may be absent, and matter as such. `binaries` are native programs that take part in choosing.
    `places` are paths whose real path matters. `libraries` are folders that the manager adds for the target.
    """

    target: str
    files: tuple[str, ...]
    binaries: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


class Trail:
    """The notes on one choice. Every method raises `DoubtError` where something is not as in the simple case."""

    def __init__(self) -> None:
        self._files: dict[str, None] = {}
        self._binaries: dict[str, None] = {}
        self._places: dict[str, None] = {}

    def note(self, *paths: str) -> None:
        """These files or folders matter, whatever they are."""
        self._files.update(dict.fromkeys(paths))

    def through(self, *paths: str) -> None:
        """These matter, and so does where they lead."""
        self.note(*paths)
        self._places.update(dict.fromkeys(paths))

    def absent(self, *paths: str) -> None:
        """None of these may exist."""
        self.note(*paths)
        if any(map(os.path.lexists, paths)):
            raise DoubtError

    def folder(self, path: str) -> None:
        """This must be a folder."""
        self.through(path)
        if not os.path.isdir(path):  # noqa: PTH112
            raise DoubtError

    def text(self, path: str, longest: int = 16384) -> str:
        """What is in this regular file."""
        self.note(path)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(fd, "rb") as file:
                data = file.read(longest + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else None
            if data is None or len(data) > longest:
                raise DoubtError
            return data.decode()
        except (OSError, ValueError) as error:
            raise DoubtError from error

    def names(self, folder: str) -> list[str]:
        """What this folder lists except hidden names; nothing if there is no such folder."""
        self.note(folder)
        try:
            return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise DoubtError from error

    def binary(self, path: str) -> None:
        """This native binary takes part in choosing."""
        self.through(path)
        self._binaries[path] = None

    def tool(self, name: str, search_path: str) -> None:
        """What *name* means on *search_path* takes part in choosing."""
        for folder in search_path.split(":"):
            if not folder.startswith("/"):
                raise DoubtError  # relative to the working folder
            candidate = f"{folder.rstrip('/')}/{name}"
            if os.path.isfile(candidate) and os.access(candidate, os.X_OK):  # noqa: PTH113
                return self.binary(candidate)
            self.note(candidate)
        raise DoubtError

    def absent_upwards(self, names: Iterable[str], environment: Mapping[str, str]) -> None:
        """None of *names* may exist in any folder from a check's working folder upwards."""
        names = tuple(names)
        for parent in parent_folders(environment.get("TMPDIR")):
            self._places[parent] = None  # not noted: its times change with every check
            folder = os.path.realpath(parent)
            while True:
                self.absent(*(f"{folder.rstrip('/')}/{name}" for name in names))
                if folder == "/":
                    break
                folder = os.path.dirname(folder)  # noqa: PTH120

    def selection(self, target: str, libraries: tuple[str, ...] = ()) -> Selection:
        """The choice was *target*."""
        self.through(target)
        if not (os.path.isfile(target) and os.access(target, os.X_OK)):  # noqa: PTH113
            raise DoubtError
        return Selection(target, tuple(self._files), tuple(self._binaries), tuple(self._places), libraries)
