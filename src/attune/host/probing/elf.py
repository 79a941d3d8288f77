"""What a native binary says about itself: which loader and libraries it wants, and where it looks for them.

Reads the few headers that tell this, and believes none of them: anything odd makes the file "not native".
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 15, 29
_MOST_HEADERS = 256
_MOST_BYTES = 1 << 20
_LONGEST_NAME = 8192


@dataclass(frozen=True, slots=True)
class Elf:
    """The dynamic needs of one binary or library; all empty for a static one."""

    loader: str | None = None
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int

    def holds(self, address: int) -> bool:
        return self.address <= address < self.address + self.size


def read_elf(path: str) -> Elf | None:
    """The needs of the file at *path*, or None if it is not a native binary that can be understood."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        return _read(fd)
    except (OSError, ValueError, struct.error, OverflowError):
        return None
    finally:
        os.close(fd)


def _read(fd: int) -> Elf | None:
    head = os.pread(fd, 64, 0)
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    wide = head[4] == 2
    order = "<" if head[5] == 1 else ">"
    segments = _segments(fd, head, order, wide=wide)
    loader = next((_slice(fd, s.offset, s.size) for s in segments if s.kind == _PT_INTERP), b"")
    loader_path = os.fsdecode(loader.split(b"\0", 1)[0]) or None
    dynamic = next((s for s in segments if s.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return Elf(loader_path)
    word = struct.Struct(order + ("qQ" if wide else "iI"))
    table = _slice(fd, dynamic.offset, dynamic.size)
    entries = list(word.iter_unpack(table[: len(table) // word.size * word.size]))
    strings = _Strings(fd, segments, dict(entries))
    found: dict[int, list[str]] = {_DT_NEEDED: [], _DT_RPATH: [], _DT_RUNPATH: []}
    for tag, place in entries:
        if tag in found:
            found[tag].append(strings.at(place))
    return Elf(loader_path, tuple(found[_DT_NEEDED]), _folders(found[_DT_RPATH]), _folders(found[_DT_RUNPATH]))


def _segments(fd: int, head: bytes, order: str, *, wide: bool) -> list[_Segment]:
    start, size, count = (
        (*struct.unpack_from(order + "Q", head, 32), *struct.unpack_from(order + "HH", head, 54))
        if wide
        else (*struct.unpack_from(order + "I", head, 28), *struct.unpack_from(order + "HH", head, 42))
    )
    if not 0 < count <= _MOST_HEADERS:
        raise ValueError("odd number of program headers")
    table = _slice(fd, start, size * count)
    layout = struct.Struct(order + ("IIQQQQ" if wide else "IIIII"))
    segments = []
    for place in range(0, size * count, size):
        fields = layout.unpack_from(table, place)
        if wide:
            segments.append(_Segment(fields[0], fields[2], fields[3], fields[5]))
        else:
            segments.append(_Segment(fields[0], fields[1], fields[2], fields[4]))
    return segments


class _Strings:
    """The string table of the dynamic section; it may be megabytes long, so only what is asked for is read."""

    def __init__(self, fd: int, segments: list[_Segment], facts: dict[int, int]) -> None:
        address = facts.get(_DT_STRTAB, 0)
        self._fd = fd
        self._size = facts.get(_DT_STRSZ, 0)
        self._offset = next(
            (s.offset + address - s.address for s in segments if s.kind == _PT_LOAD and s.holds(address)), -1
        )

    def at(self, place: int) -> str:
        if self._offset < 0 or not 0 <= place < self._size:
            raise ValueError("a name outside of the string table")
        name, end, _ = os.pread(self._fd, _LONGEST_NAME, self._offset + place).partition(b"\0")
        if not end:
            raise ValueError("a name without an end")
        return os.fsdecode(name)


def _slice(fd: int, offset: int, size: int) -> bytes:
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError("odd size")
    return os.pread(fd, size, offset)


def _folders(texts: list[str]) -> tuple[str, ...]:
    return tuple(folder for text in texts for folder in text.split(":") if folder)
