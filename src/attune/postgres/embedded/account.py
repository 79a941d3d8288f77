"""The system user that the server runs as, and how to start a program as that user.

PostgreSQL refuses to run as root. Root therefore runs it as `attune`, a user that is created for it if need be: no
other program runs as that one. Everybody else runs it as themselves.
"""

import logging
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attune.core.errors import DatabaseError

_logger = logging.getLogger(__name__)
CHOOSE = "choose a folder of your own with ATTUNE_DATA_DIR"
NAME = "attune"
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}  # nothing of ours: no PG*, no secrets


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this system. `switch`: programs must be started as this user, for we are root."""

    name: str
    uid: int
    gid: int
    switch: bool

    def run(
        self, argv: Sequence[str | Path], *, cwd: Path, text: str = "", keep: Iterable[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run *argv* to its end as this user, with *text* as its input; its output is in `stdout`.

        Raises `OSError` and, after two minutes, `subprocess.TimeoutExpired`.
        """
        return subprocess.run(
            argv,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            **self.options(cwd, keep),
        )

    def options(self, cwd: Path, keep: Iterable[int]) -> dict[str, Any]:
        """What `subprocess` is to be told so that a program runs in *cwd* as this user, and inherits *keep*."""
        identity = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}
        return {"cwd": cwd, "env": _ENVIRONMENT, "pass_fds": tuple(keep), **identity}

    def can(self, test: str, *paths: Path) -> bool:
        """Whether the shell command *test*, which sees *paths* as $1, $2 …, succeeds as this user."""
        return self.run(["/bin/sh", "-c", test, "sh", *paths], cwd=Path("/")).returncode == 0


def account_for(cluster: Path) -> Account:
    """Who runs the server of *cluster*: its owner if it exists, otherwise the user that suits us, created if need be.

    Raises `DatabaseError`.
    """
    uid = os.geteuid()
    try:
        owner = cluster.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return system_account() if uid == 0 else _account(uid, switch=False)
    except OSError as error:
        raise DatabaseError(f"{cluster} cannot be read: {error.strerror}", hint=CHOOSE) from error
    if owner == 0:
        raise DatabaseError(
            f"expected {cluster} to belong to a user that PostgreSQL may run as, found root",
            hint=f"give it back to its user, for example: chown -R {NAME} {cluster}",
        )
    if uid not in (0, owner):
        raise DatabaseError(
            f"{cluster} belongs to the user {user_name(owner)}, not to {user_name(uid)}",
            hint=f"run attune as {user_name(owner)}, or {CHOOSE}",
        )
    return _account(owner, switch=uid == 0)


def user_name(uid: int) -> str:
    """The name of the user *uid*, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _account(uid: int, *, switch: bool) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise DatabaseError(
            f"the user id {uid} has no name on this system, and PostgreSQL needs one",
            hint="add the user to /etc/passwd, or set database.url to a PostgreSQL server of your own",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch)


def system_account() -> Account:
    """The user that is ours alone, created if need be. Raises `DatabaseError`."""
    try:
        uid = pwd.getpwnam(NAME).pw_uid
    except KeyError:
        _create_user(NAME)
        _logger.warning(f"created the system user {NAME}, for PostgreSQL does not run as root")
        uid = pwd.getpwnam(NAME).pw_uid
    return _account(uid, switch=True)


def _create_user(name: str) -> None:
    hint = f"create a system user named {name} yourself, or set database.url to a PostgreSQL server of your own"
    if shutil.which("useradd", path=_SYSTEM_PATH):
        options = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        argv = [*options, "--shell", "/usr/sbin/nologin", name]
    elif shutil.which("adduser", path=_SYSTEM_PATH):
        argv = ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", name]
    else:
        raise DatabaseError("root cannot run PostgreSQL, and there is no useradd to make a user for it", hint=hint)
    done = subprocess.run(argv, capture_output=True, text=True, env={"PATH": _SYSTEM_PATH})
    if done.returncode != 0 and not _exists(name):  # another process may have been quicker
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise DatabaseError(f"the system user {name} for PostgreSQL could not be created: {reason}", hint=hint)


def _exists(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
