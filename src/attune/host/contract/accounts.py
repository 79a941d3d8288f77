"""The users and groups of this machine, as far as they can be listed."""

import grp
import os
import pwd
from collections.abc import Callable, Hashable
from contextlib import suppress

from attune.core.errors import UsageError
from attune.host.contract.launch import RunUser

_LISTABLE = frozenset({"files", "compat", "systemd", "altfiles", "extrausers"})
_FILES = ("/etc/passwd", "/etc/group")
_DATABASES = ("passwd", "group", "initgroups")
_UNKNOWN_USER = -1


class LocalGroups:
    """Who is in a group, its primary members included; None where that cannot be listed.

    *switch* is the file that says where users and groups come from: others than local files cannot be listed.
    """

    def __init__(self, switch: str = "/etc/nsswitch.conf") -> None:
        self._switch = switch
        self._stamp: object = None
        self._known: dict[int, frozenset[int] | None] = {}

    def __call__(self, group: int) -> frozenset[int] | None:
        stamp = [stamp_of(path) for path in (self._switch, *_FILES)]
        if stamp != self._stamp:
            self._stamp, self._known = stamp, {}
        if group not in self._known:
            self._known[group] = _members(group) if self._can_be_listed() else None
        return self._known[group]

    def _can_be_listed(self) -> bool:
        try:
            with open(self._switch, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                lines = [line.partition("#")[0].partition(":") for line in file]
        except FileNotFoundError:
            return True  # the C library then reads files
        except OSError:
            return False
        words = [word for name, _, rest in lines if name.strip() in _DATABASES for word in rest.split()]
        return all(word in _LISTABLE or word.startswith("[") or word.endswith("]") for word in words)


def user_id(name: str) -> int | None:
    """The id of the user with that name or number, None where there is none."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return int(name) if name.isdecimal() else None


def run_user(name: str) -> RunUser:
    """The user with that name or number, as whom programs are to run. Raises `UsageError` where there is none."""
    number = user_id(name)
    try:
        user = pwd.getpwuid(-1 if number is None else number)
    except (KeyError, OverflowError):
        raise UsageError(f"host.run_as: expected a user of this host, got {name!r}") from None
    groups = tuple(os.getgrouplist(user.pw_name, user.pw_gid))
    return RunUser(user.pw_uid, user.pw_gid, groups, user.pw_name, user.pw_dir or "/")


def user_text(user: int) -> str:
    """How a reason calls the user with that id."""
    return _named(user, lambda: pwd.getpwuid(user).pw_name, "uid")


def group_text(group: int) -> str:
    """How a reason calls the group with that id."""
    return _named(group, lambda: grp.getgrgid(group).gr_name, "gid")


def _named(number: int, name: Callable[[], str], kind: str) -> str:
    with suppress(KeyError, OSError):
        return f"{name()} ({kind} {number})"
    return f"{kind} {number}"


def _members(group: int) -> frozenset[int] | None:
    try:
        named, users = grp.getgrgid(group).gr_mem, pwd.getpwall()
    except (KeyError, OSError):
        return None
    ids = {user.pw_name: user.pw_uid for user in users}
    return frozenset(
        [user.pw_uid for user in users if user.pw_gid == group] + [ids.get(name, _UNKNOWN_USER) for name in named]
    )


def stamp_of(path: str) -> Hashable:
    """What tells one state of the file or folder at *path* from another, or why it cannot be looked at."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        return error.errno
    return (status.st_ino, status.st_size, status.st_mtime_ns)
