"""Asks a PostgreSQL server on a Unix socket whether it is ready, with the first bytes of the protocol.

No driver is needed, and nothing is believed that another user's process says.
"""

import errno
import socket
import struct
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from attune.core.errors import DatabaseError

_PROTOCOL_3_0 = 3 << 16
_GOODBYE = b"X" + struct.pack("!i", 4)
_CANNOT_CONNECT_NOW = b"C57P03\0"  # the error field with the code for: starting, recovering or stopping
_NOBODY_LISTENS = {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR}


class State(Enum):
    """What a server on a socket is doing."""

    ABSENT = auto()  # nobody listens
    BUSY = auto()  # somebody listens, but is starting, recovering, stopping or too slow to answer
    READY = auto()


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The state, and the process that listens (None: unknown, or of another process namespace)."""

    state: State
    pid: int | None = None


def ask(path: Path, *, uid: int, role: str, seconds: float) -> ServerAnswer:
    """How the server of user *uid* on the socket *path* is doing; waits *seconds* at most for what it sends next.

    Raises `DatabaseError` when the socket cannot be used or belongs to another user.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(str(path))
        except OSError as error:
            return ServerAnswer(_state_of(error, path))
        pid, owner, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if owner != uid:
            raise DatabaseError(
                f"expected a server of user id {uid} on {path}, found one of user id {owner}",
                hint="stop that server and remove its socket",
            )
        return ServerAnswer(_greet(connection, role), pid or None)


def _state_of(error: OSError, path: Path) -> State:
    if error.errno in _NOBODY_LISTENS:
        return State.ABSENT
    if isinstance(error, TimeoutError | BlockingIOError | ConnectionError):
        return State.BUSY
    raise DatabaseError(f"the socket {path} cannot be used: {error.strerror or error}") from error


def _greet(connection: socket.socket, role: str) -> State:
    body = struct.pack("!i", _PROTOCOL_3_0) + f"user\0{role}\0database\0{role}\0\0".encode()
    try:
        connection.sendall(struct.pack("!i", len(body) + 4) + body)
        with connection.makefile("rb") as answers:
            kind = b""
            while kind not in (b"E", b"Z"):  # an error, or ready for queries
                kind, length = struct.unpack("!ci", answers.read(5))
                text = answers.read(length - 4)
        if kind == b"Z":
            connection.sendall(_GOODBYE)
    except (OSError, struct.error):  # of the second kind where the server closed the connection
        return State.BUSY
    return State.BUSY if kind == b"E" and _CANNOT_CONNECT_NOW in text else State.READY
