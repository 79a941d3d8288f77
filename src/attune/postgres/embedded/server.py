"""The embedded server as the rest of Attune sees it: join it, keep it running, leave it.

Any number of processes and threads may hold one server. The first to come starts it, the last to leave stops it,
and whoever dies in between is known to be gone because the kernel drops its lock.
"""

import contextlib
import errno
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from attune.core.errors import DatabaseError
from attune.postgres.embedded import cluster, processes, running
from attune.postgres.embedded.account import Account, account_for
from attune.postgres.embedded.binaries import Binaries, find_binaries
from attune.postgres.embedded.folders import Folders, look, prepare
from attune.postgres.embedded.locks import LockFile, alone
from attune.postgres.embedded.wire import State

_LOCK_SECONDS = 90.0
_SHARED_PLACE = Path("/var/lib/attune-server")  # for binaries, where root's data folder is closed to the server's user


class EmbeddedServer:
    """A PostgreSQL server in *data_dir*, started when somebody needs it and shared by all who do.

    One object is one holder; it may be used from several threads.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self._folders = Folders(self.data_dir)
        self._guard = threading.RLock()
        self._holder: LockFile | None = None
        self._account: Account | None = None
        self._mark = ""

    @property
    def exists(self) -> bool:
        """Whether a database was made here. It need not be running. Raises `DatabaseError`."""
        with self._explained():
            return cluster.major_version(self._folders.cluster) is not None

    def require_usable(self) -> None:
        """Look at the data folder as `acquire` would, and change nothing. Raises `DatabaseError` as that would."""
        with self._explained():
            look(self._folders.data)

    @property
    def held(self) -> bool:
        """Whether this object holds the server. A child made by fork does not hold what its parent holds."""
        return self._holder is not None and self._holder.is_open

    def bin(self, name: str) -> Path:
        """PostgreSQL's program *name* (psql, pg_dump …) that fits the server. Raises `DatabaseError`."""
        return self._binaries().path(name)

    def acquire(self) -> str:
        """Join the server, starting and even making it if need be; returns its address for libpq.

        Again by the same holder, it only makes sure that the server runs. Raises `DatabaseError`.
        """
        with self._guard, self._explained():
            return self._join()

    def ensure_running(self) -> str:
        """Start the server again if it died; cheap when it is well. Returns its address, which stays the same.

        Raises `DatabaseError`.
        """
        with self._guard, self._explained():
            if self._account is not None and self._holder is not None and self._holder.is_current:
                running.trim_log(self._folders.log)
                url = running.url(self._folders, self._account)
                if url and running.state(self._folders, self._account).state is State.READY:
                    return url
            return self._join()

    def release(self) -> None:
        """Leave the server; the last to leave stops it. Harmless when not joined. Raises `DatabaseError`."""
        with self._guard, self._explained():
            holder, self._holder = self._holder, None
            if holder is None or not holder.is_open or self._account is None:
                return
            try:
                if not holder.is_current:  # the folder was removed, and nobody can join this server any more
                    processes.end_all(self._mark, self._account.uid)
                    self._folders.forget_socket()
                    return
                with alone(self._folders.lock, seconds=_LOCK_SECONDS):
                    if holder.try_alone():
                        running.stop(self._folders, self._account)
            finally:
                holder.close()

    def __enter__(self) -> "EmbeddedServer":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _join(self) -> str:
        if sys.platform != "linux":
            raise DatabaseError(
                f"the embedded PostgreSQL runs on Linux only, this is {sys.platform}",
                hint="set database.url to a PostgreSQL server of your own",
            )
        account = account_for(self._folders.cluster)
        prepare(self._folders.data, account)
        with alone(self._folders.lock, seconds=_LOCK_SECONDS):
            account = account_for(self._folders.cluster)  # it may have been made meanwhile
            self._hold()
            try:
                url, account = self._started(account)
            except BaseException:
                self._let_go()
                raise
        self._account, self._mark = account, processes.mark(self._folders.cluster)
        return url

    def _hold(self) -> None:
        if self._holder is None or not self._holder.is_current:
            self._let_go()
            self._holder = LockFile(self._folders.holders)
            self._holder.share()

    def _let_go(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def _started(self, account: Account) -> tuple[str, Account]:
        exists = cluster.major_version(self._folders.cluster) is not None
        if not exists or running.wait_while_busy(self._folders, account).state is State.ABSENT:
            binaries = self._runnable(account)
            if not exists:
                cluster.create(self._folders, account, binaries)
            running.start(self._folders, account, binaries)
        url = running.url(self._folders, account)
        if url is None:
            raise DatabaseError(f"the embedded PostgreSQL in {self._folders.data} lost its socket; try again")
        return url, account

    def _binaries(self) -> Binaries:
        return find_binaries(major=cluster.major_version(self._folders.cluster))

    def _runnable(self, account: Account) -> Binaries:
        """The binaries, copied to where *account* can run them if it cannot run them where they are."""
        binaries = self._binaries()
        if not account.switch:
            return binaries
        runs = 'test -r "$1/share/postgresql/postgres.bki" && "$1/bin/postgres" --version'
        if account.can(runs, binaries.folder):
            return binaries
        for place in (self._folders.data / "server", _SHARED_PLACE):
            if account.can('cd -- "$1"', place.parent):
                copy = binaries.copied_to(place)
                if account.can(runs, copy.folder):
                    return copy
        raise DatabaseError(
            f"the user {account.name} cannot run PostgreSQL from {binaries.folder}, nor from a copy in {_SHARED_PLACE}",
            hint="install attune where every user may read it, for example under /opt",
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the system refuses into one sentence."""
        try:
            yield
        except OSError as error:
            where = error.filename or self._folders.data
            hints = {
                errno.ENOSPC: f"free some space on the disk of {self._folders.data}",
                errno.EDQUOT: f"free some space for this user in {self._folders.data}",
            }
            raise DatabaseError(
                f"the embedded PostgreSQL cannot use {where}: {error.strerror or error}",
                hint=hints.get(error.errno or 0, "choose a folder that you may write to with ATTUNE_DATA_DIR"),
            ) from error
