"""Makes the database folder ("cluster"), whole or not at all, and reads what it says about itself."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from attune.core.errors import DatabaseError
from attune.postgres.embedded.account import Account, user_name
from attune.postgres.embedded.binaries import Binaries
from attune.postgres.embedded.folders import Folders, read_small, seen_by

DATABASE = "attune"
ROLE = "attune"
_INITDB = f"--username {ROLE} --auth reject --encoding UTF8 --no-instructions".split()
_INITDB += ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
_SETTINGS = (
    "shared_buffers=32MB",
    "max_connections=400",
    "min_wal_size=32MB",
    "max_wal_size=512MB",
    "log_min_error_statement=panic",  # statements may hold secrets
    "log_checkpoints=off",
    "log_line_prefix=%m [%p] ",
    "lc_messages=C",
    "timezone=UTC",
    "log_timezone=UTC",
    "max_logical_replication_workers=0",
    "unix_socket_permissions=0700",
    "dynamic_shared_memory_type=mmap",  # /dev/shm is tiny in containers, and emptied when a user logs out of systemd
)
# The kernel says who connects, so no password exists that could leak: the server's own user and root, as any role.
_HBA = "local all all peer map=attune\n"
_WRITE = 'umask 077 && mkdir -p socket && printf %s "$1" > pg_hba.conf && printf %s "$2" > pg_ident.conf'


def major_version(cluster: Path) -> int | None:
    """The PostgreSQL version that made *cluster*, or None if there is no cluster or an empty folder.

    Raises `DatabaseError` when something else is in its place.
    """
    if not os.path.lexists(cluster) or (cluster.is_dir() and not any(cluster.iterdir())):
        return None
    text = (read_small(cluster / "PG_VERSION") or "").strip()
    if not text.isdecimal():
        raise DatabaseError(
            f"expected a PostgreSQL database in {cluster}, found a folder without a valid PG_VERSION",
            hint="restore it from a backup, or move it away to begin with an empty database",
        )
    return int(text)


def create(folders: Folders, account: Account, binaries: Binaries) -> None:
    """Make the cluster with its database. Killed in the middle, it leaves nothing but a folder that is swept later.

    Raises `DatabaseError` and `OSError`.
    """
    for left_behind in folders.data.glob(".postgres-new-*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=".postgres-new-", dir=folders.data))
    try:
        if account.switch:
            os.chown(new, account.uid, account.gid)
        _fill(new, account, binaries)
        new.rename(folders.cluster)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _fill(new: Path, account: Account, binaries: Binaries) -> None:
    with seen_by(account, new) as (name, keep):
        initdb: list[str | Path] = [binaries.path("initdb"), "-D", name, *_INITDB]
        for setting in _SETTINGS:
            initdb += ["--set", setting]
        _run(account, initdb, new, "", keep)
        _write_access(new, account, keep)
        single: list[str | Path] = [binaries.path("postgres"), "--single", "-D", name]
        _run(account, [*single, "-c", "exit_on_error=true", "postgres"], new, f"CREATE DATABASE {DATABASE}\n", keep)


def _write_access(cluster: Path, account: Account, keep: tuple[int, ...]) -> None:
    """Let in root and this user, and nobody else: other programs may run as the user that the server runs as."""
    users = sorted({user_name(0), user_name(os.geteuid())})
    idents = "".join(f'attune "{user}" all\n' for user in users)
    _run(account, ["/bin/sh", "-c", _WRITE, "sh", _HBA, idents], cluster, "", keep)


def _run(account: Account, argv: list[str | Path], cwd: Path, text: str, keep: tuple[int, ...]) -> None:
    program = Path(argv[0]).name
    try:
        done = account.run(argv, cwd=cwd, text=text, keep=keep)
    except subprocess.TimeoutExpired as error:
        raise DatabaseError(f"{program} did not finish within {error.timeout:.0f} seconds in {cwd.parent}") from error
    if done.returncode != 0:
        raise DatabaseError(
            f"the database in {cwd.parent} could not be made: {program}: {failure_line(done.stdout)}",
            hint=remedy(done.stdout, cwd.parent),
        )


def failure_line(output: str) -> str:
    """The line of *output* that says why a program of PostgreSQL failed, without its time stamp."""
    lines = [line.strip().rpartition("] ")[2] for line in output.splitlines() if line.strip()]
    for sign in (*_HINTS, "PANIC:", "FATAL:", "error:", "ERROR:"):
        telling = [line for line in lines if sign in line]
        if telling:
            return telling[-1]
    return lines[-1] if lines else "it printed nothing"


def remedy(output: str, folder: Path) -> str:
    """What to do about a failure whose program printed *output*."""
    for sign, what in _HINTS.items():
        if sign in output:
            return what
    return f"read {folder / 'postgres.log'}; before any repair, keep a copy of {folder / 'postgres'}"


_HINTS = {
    "No space left on device": "free some space on the disk of this folder",
    "Disk quota exceeded": "free some space for this user on the disk of this folder",
    "Read-only file system": "choose a folder on a writable disk with ATTUNE_DATA_DIR",
    "Permission denied": "give the user that runs the server access to this folder",
    "could not create shared memory": "check the limits of shared memory on this machine: ipcs -lm",
}
