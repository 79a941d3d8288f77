"""Where the embedded server keeps its things, and whether those places are safe to use.

DATA/postgres           the database folder, 0700, of the user that runs the server
DATA/postgres/socket    the folder of its socket, if that path is short and plain
DATA/postgres.socket    otherwise: the name of a short private folder elsewhere
DATA/postgres.log       what the server prints
DATA/postgres.lock      held alone while the server is started or stopped
DATA/postgres.holders   held together by every process that uses the server
"""

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attune.core.errors import DatabaseError
from attune.postgres.embedded.account import CHOOSE, Account, user_name

_LONGEST_SOCKET_PATH = 107
_LEAST_FREE = 64 << 20  # bytes
_SOCKET_NAME = ".s.PGSQL.65535"
_PLAIN = re.compile(r"/[A-Za-z0-9/._-]*")  # needs no quoting in a URL, a shell, or PostgreSQL's settings


def default_data_dir(*, is_root: bool, home: Path, xdg_data_home: str | None = None) -> Path:
    """The platform's folder for a user's data, for Attune; for root the one for system services."""
    if is_root:
        return Path("/var/lib/attune")
    if xdg_data_home and Path(xdg_data_home).is_absolute():
        return Path(xdg_data_home) / "attune"
    return home / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "attune"


class Folders:
    """The paths below one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.cluster = data / "postgres"
        self.log = data / "postgres.log"
        self.lock = data / "postgres.lock"
        self.holders = data / "postgres.holders"
        self._socket_note = data / "postgres.socket"
        self._elsewhere = ""

    def socket(self, account: Account) -> Path | None:
        """The folder of the socket if it is there and nobody else's, otherwise None."""
        folder = self.cluster / "socket"
        if not _fits(folder):
            noted = read_small(self._socket_note)
            folder = Path(noted.strip()) if noted else self._socket_note
            self._elsewhere = noted or self._elsewhere
        return folder if _is_private(folder, account.uid) else None

    def make_socket(self, account: Account) -> Path:
        """The folder of the socket, made where it is missing. Raises `DatabaseError` and `OSError`."""
        present = self.socket(account)
        if present is not None:
            return present
        folder = self.cluster / "socket"
        if _fits(folder):
            account.run(["/bin/sh", "-c", "umask 077; mkdir socket || chmod 700 socket"], cwd=self.cluster)
        else:
            folder = self._private_folder_elsewhere(account)
            write_private(self._socket_note, f"{folder}\n")
        if not _is_private(folder, account.uid):
            raise DatabaseError(f"expected {folder} to be a folder that only {account.name} may use")
        return folder

    def forget_socket(self) -> None:
        """Remove the folder elsewhere, if there is or was one; for a server that was stopped."""
        folder = Path((read_small(self._socket_note) or self._elsewhere).strip() or self._socket_note)
        with contextlib.suppress(OSError):
            for left in folder.glob(".s.PGSQL.*"):
                left.unlink()
            folder.rmdir()

    def _private_folder_elsewhere(self, account: Account) -> Path:
        noted = read_small(self._socket_note)
        if noted:  # the same name again, so that addresses which others hold stay right
            with contextlib.suppress(OSError):
                Path(noted.strip()).mkdir(mode=0o700)
                return _given_to(account, Path(noted.strip()))
        try:
            return _given_to(account, Path(tempfile.mkdtemp(prefix=f"attune-{account.uid}-", dir="/tmp")))
        except OSError as error:
            raise DatabaseError(
                f"no place for the socket: {self.data} is too long or has special characters, and /tmp cannot be used",
                hint="choose a shorter folder with ATTUNE_DATA_DIR",
            ) from error


def prepare(data: Path, account: Account) -> None:
    """Make the data folder private to us, or check the one that is there. Raises `DatabaseError` and `OSError`."""
    try:
        data.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if _is_open(data):
            data.chmod(0o700)
    else:
        if account.switch:  # the server's user may pass through, nobody else; the folder stays root's
            os.chown(data, -1, account.gid)
            data.chmod(0o710)


def look(data: Path) -> None:
    """Find out whether `prepare` could do its work and there is space to work in. Raises `DatabaseError`."""
    if os.path.lexists(data):
        _is_open(data)
    place = next(folder for folder in (data, *data.parents) if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise DatabaseError(f"{place} cannot be written to, and the database would be in {data}", hint=CHOOSE)
    free = shutil.disk_usage(place).free
    if free < _LEAST_FREE:
        raise DatabaseError(
            f"only {free >> 20} MiB are free on the disk of {data}, and PostgreSQL may need {_LEAST_FREE >> 20}",
            hint=f"free some space, or {CHOOSE}",
        )


def _is_open(data: Path) -> bool:
    """Whether others may write to *data*, which is empty then. Raises `DatabaseError` if it cannot be used."""
    status = data.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise DatabaseError(f"expected {data} to be a folder, found a file", hint=CHOOSE)
    if os.geteuid() not in (0, status.st_uid):
        raise DatabaseError(f"{data} belongs to the user {user_name(status.st_uid)}", hint=CHOOSE)
    is_open = bool(stat.S_IMODE(status.st_mode) & 0o022)
    if is_open and (any(data.iterdir()) or status.st_uid != os.geteuid()):
        raise DatabaseError(f"other users may write to {data}", hint=f"chmod go-w {data}, or {CHOOSE}")
    return is_open


@contextlib.contextmanager
def seen_by(account: Account, folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A name by which *account*'s programs reach *folder*, and the descriptors that they must inherit for it.

    That is its path, unless a parent folder is closed to that user (nobody's permissions are loosened for it) or the
    path has characters that PostgreSQL's programs trip over: then it is a descriptor of the folder.
    """
    if _PLAIN.fullmatch(str(folder)) and (not account.switch or account.can('cd -- "$1"', folder)):
        yield str(folder), ()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def read_small(path: Path) -> str | None:
    """The text of a small file, or None. Never follows a link, and never waits for a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return os.fsdecode(file.read(4096)) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def write_private(path: Path, text: str) -> None:
    """Replace *path* by a file with *text* that only we may read; the change is whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.fsencode(text))
    Path(name).rename(path)


def _fits(folder: Path) -> bool:
    text = str(folder / _SOCKET_NAME)
    return len(os.fsencode(text)) <= _LONGEST_SOCKET_PATH and _PLAIN.fullmatch(text) is not None


def _is_private(folder: Path, uid: int) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not stat.S_IMODE(status.st_mode) & 0o077


def _given_to(account: Account, folder: Path) -> Path:
    if account.switch:
        os.chown(folder, account.uid, account.gid)
    return folder
