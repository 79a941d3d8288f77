"""Which files and folders nobody but trusted owners can change, so that what is executed cannot be swapped.

Every hop to a file is opened from the one before it and looked at there: no name is looked up twice.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Sequence
from contextlib import closing

from attune.core.errors import legible
from attune.host.contract.accounts import LocalGroups, group_text, user_text
from attune.host.contract.script import MOST_SCRIPTS, first_line_of

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel follows
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE})


Members = Callable[[int], Collection[int] | None]


class OwnershipRule:
    """Which files and folders nobody but root, *user* and trusted owners can change.

    *user* is the id of the user as whom programs run. *members* gives the users who are in a group, None where they
    cannot be listed. `env` looks for programs on *search_path*. A question raises `OSError` where it cannot be
    answered, for want of descriptors or memory.
    """

    def __init__(
        self,
        user: int,
        trusted_owners: Collection[int] = (),
        members: Members | None = None,
        search_path: str = os.defpath,
    ) -> None:
        self._trusted = frozenset((0, user, *trusted_owners))
        self._members = members or LocalGroups()
        self._folders = [folder for folder in search_path.split(":") if folder.startswith("/")]

    def refuses_file(self, path: str, known: "Programs | None" = None) -> str | None:
        """Why the file at *path* must not be executed, or None. What runs a script is looked at too.

        *known* keeps what was found, for other questions of the same moment: many scripts are run by one program.
        """
        known = {} if known is None else known
        file = path
        for _ in range(MOST_SCRIPTS):
            if file not in known:
                known[file] = self._program(file)
            found = known[file]
            if isinstance(found, RefusedError):
                if file == path:
                    return str(found)
                return None if found.absent else f"{path} is run by {legible(file)}: {found}"
            if found is None:
                return None
            file = found
        return f"{path} is run by too many scripts"

    def distrusts(self, path: str) -> str:
        """Why others may decide what is read at *path*, or "". What is not there they may make, where they can."""
        try:
            with closing(_Walk(path)) as walk:
                self._follow(walk, sticky=True)
                return ""
        except RefusedError as refusal:
            return "" if refusal.absent else str(refusal)

    def refuses_folder(self, path: str, *, sticky: bool = True) -> str | None:
        """Why commands must not be searched for in the folder *path*, or None.

        Without *sticky*, why programs must not be started there: they read what lies above it.
        """
        try:
            with closing(_Walk(path)) as walk:
                self._follow(walk, sticky=sticky)
                return None if stat.S_ISDIR(walk.status.st_mode) else f"{path} is not a directory"
        except RefusedError as refusal:
            return str(refusal)

    def _program(self, path: str) -> "str | RefusedError | None":
        """What runs the program at *path*, if that is a script, or why it must not be executed."""
        try:
            with closing(_Walk(path)) as walk:
                self._follow(walk, sticky=True)
                if not stat.S_ISREG(walk.status.st_mode):
                    return RefusedError(f"{path} is not a regular file")
                words = first_line_of(f"/proc/self/fd/{walk.fd}")
        except RefusedError as refusal:
            return refusal
        for word in words[1:]:
            if (place := word.rpartition("=")[2]).startswith("/") and (reason := self.distrusts(place)):
                return RefusedError(f"{path} is run with {legible(word)}: {reason}")
        return self._found_by_env(words) if words and words[0].endswith("/env") else next(iter(words), None)

    def _found_by_env(self, words: Sequence[str]) -> str | None:
        """What `env`, the first of the *words* of a script, runs from PATH; itself where it is refused or a script."""
        if self.distrusts(words[0]) or first_line_of(words[0]):
            return words[0]
        name = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
        for folder in self._folders if name and "/" not in name else ():
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK) and not self.refuses_folder(folder):
                return path
        return name if name.startswith("/") else None

    def _follow(self, walk: "_Walk", *, sticky: bool) -> None:
        """Look at every hop. With *sticky*, sticky folders may be parents: there nobody replaces what others own."""
        while True:
            fault = self._fault(walk, sticky=sticky and bool(walk.rest))
            if fault:
                mode = "" if walk.is_link else f", mode {stat.S_IMODE(walk.status.st_mode):04o}"
                raise RefusedError(f"{walk.place} {fault} (owner {user_text(walk.status.st_uid)}{mode})")
            if not walk.step():
                return

    def _fault(self, walk: "_Walk", *, sticky: bool) -> str:
        """What is wrong with the hop that was reached, or ""."""
        status = walk.status
        mode = status.st_mode
        if status.st_uid not in self._trusted:
            return "belongs to none of this host's trusted owners"
        if walk.is_link:
            return "" if status.st_size else "is a link that the kernel alone can follow"
        if stat.S_ISCHR(mode) or stat.S_ISSOCK(mode):  # what comes from it is not what others write to it
            return ""
        if stat.S_ISREG(mode) and status.st_nlink > 1 and walk.folder_mode & stat.S_IWOTH:
            return "has another name, and everybody could have given it this one"
        if not mode & _OTHERS or (sticky and stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            return ""
        if mode & stat.S_IWOTH:
            return "is writable by everybody"
        if _has_acl(walk.fd):
            return "is writable by those whom its access control list names"
        members = self._members(status.st_gid)
        if members is None:
            return f"is writable by the group {group_text(status.st_gid)}, whose members cannot be listed"
        return "" if self._trusted.issuperset(members) else f"is writable by the group {group_text(status.st_gid)}"


Programs = dict[str, "str | RefusedError | None"]
"""What runs each program, by path: None for what the kernel itself runs; or why the program must not be executed."""


class RefusedError(Exception):
    """Why something must not be used. `absent`: only because it is not there, and nobody else can put it there."""

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent


class _Walk:
    """The way from / to what *path* leads to, hop by hop.

    `fd` and `status` are those of the hop that was reached, `folder_mode` is that of the folder where it is, and `rest`
    has the names to come, the last one first.
    """

    def __init__(self, path: str) -> None:
        if not path.startswith("/") or "\0" in path:
            raise RefusedError(f"{legible(path)} is not an absolute path")
        self._path = path
        self._names: list[str] = []
        self._links = 0
        self.rest = _names_in(path)
        self._root = self._folder = self.fd = os.open("/", _LOOK)
        self._opened = {self.fd}
        self.status = os.fstat(self.fd)
        self.is_link, self.folder_mode = False, 0

    def close(self) -> None:
        for fd in self._opened:
            os.close(fd)

    @property
    def place(self) -> str:
        """The hop that was reached, as the beginning of a sentence; with the path itself, if links led elsewhere."""
        hop, path = legible("/" + "/".join(self._names)), legible(self._path)
        return f"{path} leads to {hop}, which" if self._links else hop

    def step(self) -> bool:
        """Go one hop further; False at the end."""
        if self.is_link:
            self._turn()
        elif self.rest:
            self._close(self._folder)
            self._folder, self.folder_mode = self.fd, self.status.st_mode
        if not self.rest:
            return False
        name = self.rest.pop()
        if name != "..":
            self._names.append(name)
        elif self._names:
            self._names.pop()
        try:
            self.fd = os.open(name, _LOOK, dir_fd=self._folder)
        except (OSError, ValueError) as error:
            raise self._obstacle(error) from None
        self._opened.add(self.fd)
        self.status = os.fstat(self.fd)
        self.is_link = stat.S_ISLNK(self.status.st_mode)
        return True

    def _turn(self) -> None:
        """Go on where the link leads that was reached."""
        self._links += 1
        if self._links > _MOST_LINKS:
            raise RefusedError(f"{legible(self._path)} leads through too many links")
        target = os.readlink("", dir_fd=self.fd)
        self._close(self.fd)
        self.rest += _names_in(target)
        self._names.pop()
        if target.startswith("/"):
            self._close(self._folder)
            self._names, self._folder, self.folder_mode = [], self._root, os.fstat(self._root).st_mode

    def _close(self, fd: int) -> None:
        if fd != self._root:
            self._opened.remove(fd)
            os.close(fd)

    def _obstacle(self, error: Exception) -> RefusedError:
        number = error.errno if isinstance(error, OSError) else None
        if number in _SHORTAGES:
            raise error
        if number == errno.ENOENT:
            absent = not self.folder_mode & _OTHERS or not self.folder_mode & stat.S_ISVTX
            return RefusedError(
                f"{self.place} does not exist{'' if absent else ', and others can make it'}", absent=absent
            )
        return RefusedError(f"{self.place} cannot be looked at: {os.strerror(number or errno.EINVAL).lower()}")


def _names_in(path: str) -> list[str]:
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _has_acl(fd: int) -> bool:
    try:
        return bool(os.getxattr(f"/proc/self/fd/{fd}", "system.posix_acl_access"))
    except OSError as error:
        return error.errno not in (errno.ENODATA, errno.ENOTSUP)
