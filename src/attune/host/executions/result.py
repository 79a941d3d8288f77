"""What a run has to say in the end: the file it declared, or the last line of its output that is JSON."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attune.core.errors import shown
from attune.core.json_schema import storable_fault

_LARGEST = 1024 * 1024


class Lines:
    """The last line of output that could be a JSON value, however much was printed before it."""

    def __init__(self) -> None:
        self._open = bytearray()
        self._too_long = False
        self.last: bytes | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes; none at the end."""
        if not data:
            self._close()
        for index, part in enumerate(data.split(b"\n")):
            if index:
                self._close()
            if len(self._open) + len(part) > _LARGEST:
                self._too_long = True
                self._open.clear()
            elif not self._too_long:
                self._open += part

    def _close(self) -> None:
        line = bytes(self._open).strip()
        if line and not self._too_long and line[:1] in b'{["-0123456789tfn':
            self.last = line
        self._open.clear()
        self._too_long = False


def result_of(
    declared: str | None, folder: Path, lines: Lines, mask: Callable[[str], str] = str
) -> tuple[Any, str | None]:
    """The result, and what is wrong with it, masked. A *declared* file must be there; a last line need not."""
    if declared is None:
        if lines.last is None:
            return None, None
        value, problem = _read(lines.last, "the last line of output", mask)
        return value, problem if lines.last[:1] in b"{[" else None
    try:
        content = _content(folder, declared)
    except (OSError, ValueError) as error:
        return None, f"result file {declared}: expected a file of JSON, got {_why(error)}"
    return _read(content, f"result file {declared}", mask)


def _content(folder: Path, name: str) -> bytes:
    here = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        *parents, last = Path(name).parts
        for parent in parents:
            below = os.open(parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ValueError("something that is no file")
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("more than 1 MiB")
    return content


def _read(content: bytes, what: str, mask: Callable[[str], str]) -> tuple[Any, str | None]:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None, f"{what}: expected JSON, got {shown(mask(content.decode('utf-8', 'replace'))[:200])}"
    fault = storable_fault(value)
    return (None, f"{what}: expected {fault.expected}, got {fault.got}") if fault else (value, None)


def _why(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
