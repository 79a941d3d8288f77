"""What the processes of one run share: a private empty folder, a closed stdin, and marks to know them by."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Mapping

from attune.host.probing.process import ProcessContext
from attune.host.probing.reaper import MARK_VARIABLE, ProcessMarks, reap
from attune.host.probing.stream import Stream

_MOST_RETAINED = 64


class Sandbox:
    """Made for one run; `close` ends what the run left behind and removes the folder."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = _private_folder(environment.get("TMPDIR"))
        mark = os.urandom(16).hex()
        label = (1 << 40) + int.from_bytes(os.urandom(5))
        self.context = ProcessContext(
            environment={
                os.fsencode(name): os.fsencode(value) for name, value in {**environment, MARK_VARIABLE: mark}.items()
            },
            folder=self._folder or "/",
            null_fd=os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC),
            label=label,
        )
        self._retained: deque[Stream] = deque()
        self.marks = ProcessMarks(mark, label, self._folder)

    def retain(self, streams: Iterable[Stream]) -> None:
        """Keep pipes that a process left behind still writes to: closing them could end it before it is known."""
        self._retained.extend(streams)
        while len(self._retained) > _MOST_RETAINED:
            self._retained.popleft().close()

    def close(self) -> None:
        """Leave nothing: no process, no descriptor, no folder."""
        try:
            reap(self.marks)
        finally:
            for stream in self._retained:
                stream.close()
            os.close(self.context.null_fd)
            if self._folder:
                _remove(self._folder)


def _private_folder(preferred: str | None) -> str:
    """A new folder that only this user can enter, below *preferred* if it can be; "" where none can be made."""
    for parent in (preferred or "/tmp", "/tmp", "/var/tmp", "/dev/shm"):
        if not parent.startswith("/"):
            continue
        with contextlib.suppress(OSError, ValueError):
            folder = f"{parent.rstrip('/')}/check-{os.urandom(8).hex()}"
            os.mkdir(folder, 0o700)  # noqa: PTH102
            return folder
    return ""


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)  # noqa: PTH106
    except OSError:
        import shutil

        with contextlib.suppress(RecursionError):
            shutil.rmtree(folder, ignore_errors=True)
