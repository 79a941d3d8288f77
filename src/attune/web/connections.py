"""Which connections the server holds: capped in total, and for each address while nobody has shown a token on them."""

from __future__ import annotations

import errno
import os
import resource
import socket
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Protocol

import structlog

log = structlog.get_logger("attune.web")
STRANGERS = 128  # of one address
_MOST = 4096
_FOR_STRANGERS = 8  # one in so many always makes room, so that there is a way in
_KNOWN_SECONDS = 600.0  # how long an address counts as one that shows tokens
_KNOWN_ADDRESSES = 10_000
_SILENT_SECONDS = 60.0
_UNREAD_MILLISECONDS = 30_000  # until the kernel ends a connection whose other side takes nothing
_UNREAD_BYTES = 128 * 1024
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class CountedConnection(Protocol):
    """A connection as it is counted."""

    def drop(self) -> None:
        """End it at once."""


class ConnectionLimits:
    """The connections of one process. A stranger is one on which no live token was shown; the oldest make room."""

    def __init__(self, most: int, *, strangers: int = STRANGERS, exempt: frozenset[str] = frozenset()) -> None:
        self.most = most
        self._strangers = strangers
        self._exempt = exempt
        self._waiting: dict[str, OrderedDict[CountedConnection, None]] = {}
        self._known: set[CountedConnection] = set()
        self._addresses: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known) + sum(map(len, self._waiting.values()))

    def add(self, connection: CountedConnection, address: str) -> None:
        """Count a new *connection*, for which another one may be ended."""
        of_address = self._waiting.setdefault(address, OrderedDict())
        of_address[connection] = None
        if len(of_address) > self._strangers and not self._is_known(address):
            self._drop_first(address)
        elif len(self) > self.most:
            self._drop_first(max(self._waiting, key=lambda key: len(self._waiting[key])))

    def authenticated(self, connection: CountedConnection, address: str) -> None:
        """*connection* showed a live token: it need not make room any more, if only some are left that must."""
        if len(self._known) < self.most - self.most // _FOR_STRANGERS and self._forget(connection, address):
            self._known.add(connection)
        self._addresses[address] = time.monotonic()
        self._addresses.move_to_end(address)
        if len(self._addresses) > _KNOWN_ADDRESSES:
            self._addresses.popitem(last=False)

    def remove(self, connection: CountedConnection, address: str) -> None:
        """*connection* has ended."""
        self._known.discard(connection)
        self._forget(connection, address)

    def _is_known(self, address: str) -> bool:
        seen = self._addresses.get(address)
        return address in self._exempt or (seen is not None and time.monotonic() - seen < _KNOWN_SECONDS)

    def _drop_first(self, address: str) -> None:
        first = next(iter(self._waiting[address]))
        self._forget(first, address)
        first.drop()

    def _forget(self, connection: CountedConnection, address: str) -> bool:
        of_address = self._waiting.get(address, OrderedDict())
        there = connection in of_address
        of_address.pop(connection, None)
        if not of_address:
            self._waiting.pop(address, None)
        return there


def room_for_connections() -> int:
    """How many connections this process may hold: half of its descriptors, whose soft limit is raised to the hard one.

    The other half is for the database, logs, files and programs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return min(_MOST, soft // 2) if soft != resource.RLIM_INFINITY else _MOST


class ApiListener(socket.socket):
    """A listening socket with a descriptor in reserve: with none left, who connects is hung up on; logged once.

    asyncio itself would try, and log, thousands of times.
    """

    def __init__(self, family: int) -> None:
        # asyncio sends at once (TCP_NODELAY) only on what says that it is TCP; else each answer waits 40 ms for an ACK.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._logged = -_SILENT_SECONDS

    def accept(self) -> tuple[socket.socket, object]:
        """As a socket's; raises `BlockingIOError` too where no descriptor is left."""
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
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def _turn_away(self, error: OSError) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        with suppress(OSError):
            super().accept()[0].close()
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)
        if time.monotonic() - self._logged >= _SILENT_SECONDS:
            self._logged = time.monotonic()
            log.warning(f"cannot take a connection: {error.strerror}; not told again for {_SILENT_SECONDS:.0f} s")
