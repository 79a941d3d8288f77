"""What a run has to say in the end: the file it declared, or the last line of its output that is JSON."""

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attune.core.errors import shown
from attune.core.json_schema import storable_fault
from attune.host.executions.kept_output import size_text

_LARGEST = 1024 * 1024
_MOST_LINES = 64  # that may be JSON, and are not read before the end
_SCALAR = re.compile(rb'".*"|-?\d+(\.\d+)?([eE][+-]?\d+)?|true|false|null', re.DOTALL)


class Lines:
    """The last line of output that is a JSON value, however much was printed before and after it."""

    def __init__(self) -> None:
        self._open = bytearray()
        self._length = 0
        self._ends = b""
        self._could_be: list[bytes] = []
        self._broken: bytes | None = None  # the last line that was to be one
        self._too_long = 0  # the length of the last line that was

    def feed(self, data: bytes) -> None:
        """Take the next bytes; none at the end."""
        if not data:
            self._close()
        for index, part in enumerate(data.split(b"\n")):
            if index:
                self._close()
            self._open += part[: _LARGEST - len(self._open)]
            self._length += len(part)
            self._ends = part.rstrip()[-1:] or self._ends

    def last(self, mask: Callable[[str], str]) -> tuple[Any, str | None]:
        """The value of the last line that has one, or why none has although one was to; masked."""
        if (line := self._last_value()) is not None:
            return _read(line, "the last line of output", mask)
        if self._too_long:
            return None, f"the last line of output: expected at most 1 MiB of JSON, got {size_text(self._too_long)}"
        return (None, None) if self._broken is None else _read(self._broken, "the last line of output", mask)

    def _close(self) -> None:
        line, length = bytes(self._open).strip(), self._length
        bracketed = line[:1] + self._ends in (b"{}", b"[]")
        if length > _LARGEST:
            if bracketed:  # what was printed last is not known, and nothing before it is that
                self._could_be, self._too_long, self._broken = [], length, None
        elif bracketed or _SCALAR.fullmatch(line):
            self._could_be.append(line)
            if len(self._could_be) > _MOST_LINES or sum(map(len, self._could_be)) > 2 * _LARGEST:
                value = self._last_value()
                self._could_be = [] if value is None else [value]
        if length <= _LARGEST and (bracketed or line[:1] == b"{"):
            self._broken = line
        self._open.clear()
        self._length, self._ends = 0, b""

    def _last_value(self) -> bytes | None:
        return next((line for line in reversed(self._could_be) if _is_json(line)), None)


def result_of(
    declared: str | None, folder: Path, lines: Lines, mask: Callable[[str], str] = str
) -> tuple[Any, str | None]:
    """The result, and what is wrong with it, masked. A *declared* file must be there; a last line need not."""
    if declared is None:
        return lines.last(mask)
    try:
        content = _content(folder, declared)
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        return None, f"result file {declared}: expected a file of JSON, got {why}"
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


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _read(content: bytes, what: str, mask: Callable[[str], str]) -> tuple[Any, str | None]:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None, f"{what}: expected JSON, got {shown(mask(content.decode('utf-8', 'replace'))[:200])}"
    fault = storable_fault(value)
    return (None, f"{what}: expected {fault.expected}, got {fault.got}") if fault else (value, None)
