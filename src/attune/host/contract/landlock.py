"""Landlock: what the Linux kernel lets a process forbid to itself and to all that it starts.

The system calls and their numbers are those of linux/landlock.h. Imports only the standard library.
"""

import contextlib
import ctypes
import os
import stat
import struct

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 2, 1 << 13, 1 << 14
_WRITES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # and to make and remove files of every kind
_CONNECT_TCP = 1 << 1
_SCOPE_SIGNAL = 1 << 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def confine(writable: list[str] | None, readable: list[str] | None, *, offline: bool) -> None:
    """Landlock, as far as this kernel has it: write and read only there, signal nobody outside, open no TCP connection.

    What is readable is taken as it is named, without following links.
    """
    version = landlock_version()
    if not version or (writable is None and readable is None and not offline):
        return
    writes = 0 if writable is None else _WRITES | (version >= 2) * _REFER | (version >= 3) * _TRUNCATE
    network = _CONNECT_TCP if offline and version >= 4 else 0
    scopes = _SCOPE_SIGNAL if writable is not None and version >= 6 else 0
    reads = 0 if readable is None else _READ_FILE
    rights = struct.pack("QQQ", writes | reads, network, scopes)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = _landlock(_LANDLOCK_CREATE_RULESET, rights, len(rights), 0)
    for path in writable or ():
        with contextlib.suppress(FileNotFoundError):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = writes if stat.S_ISDIR(os.fstat(place).st_mode) else writes & (_WRITE_FILE | _TRUNCATE)
            _allow(rules, allowed, place)
    for path in readable or ():
        with contextlib.suppress(OSError):  # gone by now, or nothing that this user may open
            _allow(rules, reads, os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC))
    _landlock(_LANDLOCK_RESTRICT_SELF, rules, 0)


def _allow(rules: int, rights: int, place: int) -> None:
    try:
        _landlock(_LANDLOCK_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def landlock_version() -> int:
    """Which version of Landlock this kernel has; 0 for none."""
    return max(0, int(_LIBC.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)))


def _landlock(call: int, *arguments: int | bytes) -> int:
    answer = int(_LIBC.syscall(call, *(a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments)))
    if answer < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    return answer
