"""What tells a node on this host from others of its name, and whether an earlier process of it still lives."""

import fcntl
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from attune.core.nodes.role import Role
from attune.core.ports.nodes import NodeInstance

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class HostInstance:
    """The identity of one node of this host, in a file below *folder* that its process keeps locked while it lives.

    Where the file cannot be written, the key is that of this process alone.
    """

    def __init__(self, folder: Path, role: Role, name: str) -> None:
        self._path = folder / f"{role.name}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
        self._file = -1
        self._locked = False

    def identity(self) -> NodeInstance:
        """The key in the file, which is written if it is not there, and this boot of the machine."""
        key = str(uuid4())
        with suppress(OSError):
            if self._file < 0:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if not os.pread(self._file, 64, 0):
                os.pwrite(self._file, key.encode(), 0)
            key = os.pread(self._file, 64, 0).decode("ascii", "replace")
        boot = _BOOT.read_text().strip() if _BOOT.exists() else None
        return NodeInstance(key, boot)

    def is_alone(self) -> bool:
        """Whether no other process has this identity; from then on this one is locked out by none."""
        if not self._locked and self._file >= 0:
            with suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._locked = True
        return self._locked

    def close(self) -> None:
        """Let the next process be alone."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._locked = -1, False
