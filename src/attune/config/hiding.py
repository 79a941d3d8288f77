"""Keeps the variables of a service from those who look at its process from outside."""

import ctypes
import json
import os
import sys
from pathlib import Path

from attune.core.access.variables import may_be_secret

_HANDED_OVER = "ATTUNE_VARIABLES_FD"
_PR_SET_DUMPABLE = 4


def hide_variables() -> None:
    """Keep secret variables out of `/proc/PID/environ`, which shows what a process began with, and memory private.

    Where some are there, this process becomes the same program anew, which gets them by a descriptor: they are
    variables again when this returns. Other processes of its user can read neither its memory nor its descriptors then.
    """
    if number := os.environ.pop(_HANDED_OVER, ""):
        with open(int(number), encoding="utf-8") as file:  # noqa: PTH123
            os.environ.update(json.load(file))
    elif any(map(_is_secret, *_began_with())):
        _begin_anew()
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, *map(ctypes.c_ulong, (0, 0, 0, 0)))


def _is_secret(name: str, value: str) -> bool:
    return may_be_secret(name) or ("://" in value and "@" in value)


def _began_with() -> tuple[list[str], list[str]]:
    """The names and the values of the variables that this process began with, as its system tells them to others."""
    try:
        entries = os.fsdecode(Path("/proc/self/environ").read_bytes()).split("\0")
    except OSError:
        return [], []
    pairs = [entry.partition("=") for entry in entries]
    return [name for name, _, _ in pairs], [value for _, _, value in pairs]


def _begin_anew() -> None:
    secret = {name: value for name, value in os.environ.items() if _is_secret(name, value)}
    handed = os.memfd_create("variables", 0)
    os.write(handed, json.dumps(secret).encode())
    os.lseek(handed, 0, os.SEEK_SET)
    rest = {name: value for name, value in os.environ.items() if name not in secret}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**rest, _HANDED_OVER: str(handed)})
