"""The working folders of programs: new, empty, and below parents that nobody else can write to."""

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import stat
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attune.core.errors import PlaceError
from attune.core.nodes.place import described


def run_places(environment: Mapping[str, str], user: int) -> tuple[str, ...]:
    """Where run folders may lie, the best first, for a service of *user* with that *environment*."""
    if user == 0:
        return ("/var/lib/attune/run",)
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    return (*([f"{runtime}/attune"] if runtime.startswith("/") else []), f"{home_of(user)}/.local/state/attune/run")


def home_of(user: int) -> str:
    """The home folder of that user, as the system knows it; "/" where it knows none."""
    try:
        return pwd.getpwuid(user).pw_dir or "/"
    except KeyError:
        return "/"


LEAST_BYTES = 16 * 1024  # with less, a file system counts as full
_OURS = re.compile(r"[0-9]+-[0-9a-f]{8}")


@dataclass(eq=False)
class RunFolders:
    """Makes folders in the first of *places* whose every parent passes *refuses*, which says why one does not.

    What an earlier process has left there, even after kill -9, is removed. Safe to use from several threads at once.
    """

    places: Sequence[str]
    refuses: Callable[[str], str | None] = lambda folder: None
    owner: tuple[int, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _base: tuple[int, str] | None = None  # the process that made it, and its path

    def make(self) -> str:
        """A new empty folder that its owner alone can enter. Raises `PlaceError` where there is no place for one."""
        folder = f"{self._own_place()}/{os.urandom(8).hex()}"
        try:
            os.mkdir(folder, 0o700)  # noqa: PTH102
            if self.owner is not None:
                os.chown(folder, *self.owner)
        except OSError as error:
            raise PlaceError(f"no working folder can be made: {described(error, folder)}") from error
        return folder

    def put(self, folder: str, parameters: bytes) -> dict[str, str]:
        """The variable that names a new file in *folder* with *parameters*, its owner's alone. Raises `OSError`."""
        path = f"{folder}/.parameters"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            if self.owner is not None:
                os.fchown(file.fileno(), *self.owner)
            file.write(parameters)
        return {"ATTUNE_PARAMETER_FILE": path}

    def require_room(self, folder: str) -> None:
        """Raise `PlaceError` where *folder* has no room: its file system is full, or has no inode left."""
        room = os.statvfs(folder)
        free = room.f_bfree if os.geteuid() == 0 and self.owner is None else room.f_bavail
        if free * room.f_frsize < LEAST_BYTES:
            raise PlaceError(f"{folder}: no space left on device")
        if room.f_files and not room.f_favail:
            raise PlaceError(f"{folder}: no inode left on device")

    def is_as_new(self, folder: str) -> bool:
        """Whether *folder*, which `make` made, is empty and still its owner's alone."""
        try:
            status = os.lstat(folder)
            owner = (os.geteuid(), os.getegid()) if self.owner is None else self.owner
            private = status.st_mode == stat.S_IFDIR | 0o700 and (status.st_uid, status.st_gid) == owner
            return private and not os.listdir(folder)  # noqa: PTH208
        except OSError:
            return False

    def remove(self, folder: str) -> None:
        """Remove what `make` made, whatever lies in it by now."""
        with contextlib.suppress(RecursionError):
            shutil.rmtree(folder, ignore_errors=True)

    def problem(self) -> str | None:
        """Why no working folder can be made here, or none with room in it; None where one can."""
        try:
            folder = self.make()
            try:
                self.require_room(folder)
            finally:
                self.remove(folder)
        except PlaceError as error:
            return str(error)
        return None

    def _own_place(self) -> str:
        with self._lock:
            if self._base is None or self._base[0] != os.getpid() or not os.path.isdir(self._base[1]):  # noqa: PTH112
                folder, lock = self._open_place()
                self._base = (os.getpid(), folder)
                weakref.finalize(self, _remove, os.getpid(), folder, lock)
            return self._base[1]

    def _open_place(self) -> tuple[str, int]:
        refusals = []
        for place in self.places:
            try:
                os.makedirs(place, mode=0o711, exist_ok=True)  # noqa: PTH103
                if self.owner is not None:
                    _let_through(Path(place).parent)
                refusal = self.refuses(place)
                if refusal is None:
                    _remove_abandoned(place)
                    return _locked_folder(place)
                refusals.append(refusal)
            except OSError as error:
                refusals.append(described(error, place))
        raise PlaceError(f"no folder for running programs (host.run_folder): {'; '.join(refusals)}")


def _let_through(folder: Path) -> None:
    """Let every user pass through a folder of ours: one that has our name, not any that an operator put us below."""
    status = folder.stat()
    if folder.name == "attune" and status.st_uid == os.geteuid() and status.st_mode & 0o011 != 0o011:
        folder.chmod(stat.S_IMODE(status.st_mode) | 0o011)


def _locked_folder(place: str) -> tuple[str, int]:
    while True:
        folder = f"{place}/{os.getpid()}-{os.urandom(4).hex()}"
        os.mkdir(folder, 0o711)  # noqa: PTH102
        with contextlib.suppress(FileNotFoundError):  # another process has swept it before it was locked
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.isdir(folder):  # noqa: PTH112
                return folder, lock
            os.close(lock)


def _remove(process: int, folder: str, lock: int) -> None:
    if process == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(place: str) -> None:
    """Remove our folders of processes that are gone: nobody locks them. What else lies there is somebody's."""
    for folder in Path(place).iterdir():
        if not _OURS.fullmatch(folder.name):
            continue
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
