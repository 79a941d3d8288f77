"""Which connections the server holds: capped in total, and for each address while nobody has shown a token on them."""

import asyncio
import errno
import resource
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from attune.web.services import Throttle

log = structlog.get_logger("attune.web")
_MOST = 4096
_FOR_STRANGERS = 8  # one in so many always makes room, so that there is a way in
_KNOWN_SECONDS = 600.0  # how long an address counts as one that shows tokens
_KNOWN_ADDRESSES = 10_000
_UNREAD_MILLISECONDS = 30_000  # until the kernel ends a connection whose other side takes nothing
_UNREAD_BYTES = 128 * 1024
_AT_ONCE = 32
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(eq=False)
class ConnectionLimits:
    """The connections of one process. A stranger is one on which no live token was shown; the oldest make room."""

    most: int
    is_exempt: Callable[[str], bool]
    refused: Callable[[str, int], object]  # told of the address and the status of what was no request
    strangers: int = 128
    _waiting: dict[str, dict[asyncio.Transport, None]] = field(default_factory=dict)
    _known: set[asyncio.Transport] = field(default_factory=set)
    _addresses: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._known) + sum(map(len, self._waiting.values()))

    def add(self, connection: asyncio.Transport, address: str) -> None:
        """Count a new *connection*, for which another one may be ended."""
        of_address = self._waiting.setdefault(address, {})
        of_address[connection] = None
        if len(of_address) > self.strangers and not self._is_known(address):
            self._drop_first(address)
        elif len(self) > self.most:
            self._drop_first(max(self._waiting, key=lambda key: len(self._waiting[key])))

    def authenticated(self, connection: asyncio.Transport, address: str) -> None:
        """*connection* showed a live token: it need not make room any more, if only some are left that must."""
        if len(self._known) < self.most - self.most // _FOR_STRANGERS and self._forget(connection, address):
            self._known.add(connection)
        if len(self._addresses) > _KNOWN_ADDRESSES:
            self._addresses.clear()
        self._addresses[address] = time.monotonic()

    def remove(self, connection: asyncio.Transport, address: str) -> None:
        """*connection* has ended."""
        self._known.discard(connection)
        self._forget(connection, address)

    def _is_known(self, address: str) -> bool:
        seen = self._addresses.get(address)
        return self.is_exempt(address) or (seen is not None and time.monotonic() - seen < _KNOWN_SECONDS)

    def _drop_first(self, address: str) -> None:
        first = next(iter(self._waiting[address]))
        self._forget(first, address)
        first.abort()

    def _forget(self, connection: asyncio.Transport, address: str) -> bool:
        of_address = self._waiting.get(address, {})
        there = connection in of_address
        of_address.pop(connection, None)
        if not of_address:
            self._waiting.pop(address, None)
        return there


def room_for_connections() -> int:
    """How many connections this process may hold: half of its descriptors, the soft limit of which is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return min(_MOST, soft // 2) if soft != resource.RLIM_INFINITY else _MOST


class ApiListener(socket.socket):
    """A listening socket with a descriptor in reserve: asyncio would try, and log, thousands of times without one."""

    def __init__(self, family: int) -> None:
        # asyncio sends at once (TCP_NODELAY) only on what says that it is TCP; else each answer waits 40 ms for an ACK.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
        self._spare = socket.socket()
        self._accepted = 0
        self._failures = Throttle(burst=1, per_second=1 / 60)

    def accept(self) -> tuple[socket.socket, object]:
        """As a socket's; raises `BlockingIOError` too where no descriptor is left, and once in so many.

        asyncio accepts until then, all that wait, before those that have to make room are closed.
        """
        self._accepted = (self._accepted + 1) % _AT_ONCE
        if not self._accepted:
            raise BlockingIOError
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._turn_away(error)
            raise BlockingIOError from None

    def close(self) -> None:
        """Close it, and what is in reserve."""
        super().close()
        self._spare.close()

    def _turn_away(self, error: OSError) -> None:
        self._spare.close()
        with suppress(OSError):
            super().accept()[0].close()
        with suppress(OSError):
            self._spare = socket.socket()
        if not self._failures.wait(""):
            log.warning(f"cannot take a connection: {error.strerror}; not told again for a minute")
