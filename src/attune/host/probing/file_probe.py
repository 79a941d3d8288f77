"""The cheap check: are the files that proved a runtime still the very same? It starts no process.

A version manager's shim, or any script, stays the same file when it selects another version: only running it tells.
"""

import os
import stat
from collections.abc import Sequence

from attune.core.nodes.health import Snapshot
from attune.core.runtimes.command import Found
from attune.host.probing.path_index import PathIndex

State = tuple[int, int, int, int, int]


class FileProbe:
    """Looks at the commands of this host where *paths* finds them."""

    def __init__(self, paths: PathIndex) -> None:
        self._paths = paths

    def look(self, binaries: Sequence[Sequence[str]]) -> list[Snapshot]:
        """One snapshot for each group of *binaries* (bare names or absolute paths), all at the same moment."""
        self._paths.token()  # reads the folders of PATH again if one has changed
        return [self._snapshot(group) for group in binaries]

    def _snapshot(self, group: Sequence[str]) -> Snapshot:
        files = tuple(map(self._file, group))
        changes = [state[4] for file in files if not isinstance(file, str) for state in file[1:]]
        return Snapshot(files, max(changes, default=0) / 1e9)

    def _file(self, binary: str) -> str | tuple[str, State, State]:
        location = self._paths.find(binary)
        if not isinstance(location, Found):
            return location.detail
        try:
            own = os.lstat(location.path)
            real = os.stat(location.path) if stat.S_ISLNK(own.st_mode) else own  # noqa: PTH116
        except OSError as error:
            return f"{location.path}: {error.strerror}"
        return (location.path, state_of(own), state_of(real))


def state_of(status: os.stat_result) -> State:
    """What tells one state of a file from another."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
