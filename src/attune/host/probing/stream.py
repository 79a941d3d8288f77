"""One output stream of a check: read without ever blocking, kept up to a limit, the rest dropped."""

import contextlib
import fcntl
import os

KEPT_BYTES = 64 * 1024
_CHUNK = 64 * 1024
_FLOOD_BYTES = 4 * 1024 * 1024
_FLOOD_PIPE = 1024 * 1024


class Stream:
    """The reading end of a pipe. `flooding` tells that it is worth reading now and then only."""

    __slots__ = ("_dropped", "_kept", "fd", "flooding", "open")

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.open = True  # nobody has been seen to have closed the other end
        self.flooding = False
        self._kept = bytearray()
        self._dropped = 0

    @property
    def truncated(self) -> bool:
        """Whether anything was dropped."""
        return self._dropped > 0

    @property
    def data(self) -> bytes:
        """What was kept: the first `KEPT_BYTES`."""
        return bytes(self._kept)

    def read(self) -> bool:
        """Take one chunk. False when there is nothing to read now, or nothing any more (then `open` is False)."""
        try:
            chunk = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self.open = False
            return False
        room = KEPT_BYTES - len(self._kept)
        self._kept += chunk[:room]
        self._dropped += len(chunk[room:])
        if not self.flooding and self._dropped > _FLOOD_BYTES:
            self.flooding = True
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _FLOOD_PIPE)
        return True

    def drain(self) -> None:
        """Take what is in the pipe now, but no more than a pipe can hold."""
        for _ in range(_FLOOD_PIPE // _CHUNK + 1):
            if not self.read():
                return

    def close(self) -> None:
        os.close(self.fd)
