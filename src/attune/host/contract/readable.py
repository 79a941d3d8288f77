"""Which files programs may read: all but hidden ones. Landlock only allows, so all that lies beside those is named."""

import os
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from attune.host.contract.accounts import stamp_of

_HISTORY = re.compile(r"\.\w+_history")  # of what was typed, passwords included
_SHARE = re.compile(r"nfs|cifs|smb|afs|ceph|lustre|gpfs|beegfs|9p|autofs|fuse(?!\.lxcfs)")
_OF_DESKTOPS = ("fuse.gvfsd-fuse", "fuse.portal")
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass
class ReadableFiles:
    """All files of this host but those *hidden*, which are files and folders; links lead to what is not hidden.

    A file that is made or replaced beside a hidden one, or beside a folder above it, can be read by programs that are
    started afterwards. With *share*, which names a network share beside one, nothing is hidden: to name it in a rule
    is to wait for its server, maybe for ever.
    """

    hidden: frozenset[str]
    share: str | None = None
    paths: tuple[str, ...] | None = None
    _seen: Hashable = field(default=None, compare=False)

    def __post_init__(self) -> None:
        self.hidden = frozenset({*self.hidden, *map(os.path.realpath, self.hidden)})
        above = {folder for path in self.hidden for folder in PurePath(path).parents}
        self._above = sorted(
            str(folder) for folder in above if not self.hidden & {*map(str, (folder, *folder.parents))}
        )

    def look(self) -> Hashable:
        """Bring `paths`, which covers what may be read, up to date; the same value as before if nothing changed."""
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
        seen = (mounts, *(stamp_of(folder) for folder in self._above))
        if seen != self._seen:
            kinds = {mount.split()[4]: mount.rpartition(" - ")[2].split()[0] for mount in mounts.splitlines()}
            found = [path for path in self._beside() if kinds.get(path) not in _OF_DESKTOPS]
            self.share = next((path for path in found if _SHARE.match(kinds.get(path, ""))), None)
            self.paths = None if self.share else tuple(found)
            self._seen = seen
        return seen

    def _beside(self) -> Iterator[str]:
        known = {*self._above, *self.hidden}
        for folder in self._above:
            try:
                entries = list(os.scandir(folder))
            except OSError:  # then programs of this user find nothing there either
                continue
            for entry in entries:
                if entry.path not in known and not entry.is_symlink() and not _HISTORY.fullmatch(entry.name):
                    yield entry.path
