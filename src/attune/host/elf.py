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
    if head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    wide = head[4] == 2
    order = "<" if head[5] == 1 else ">"
    segments = _segments(fd, head, order, wide=wide)
    loader = next((_text(_slice(fd, s.offset, s.size)) for s in segments if s.kind == _PT_INTERP), None)
    dynamic = next((s for s in segments if s.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return Elf(loader)
    word = struct.Struct(order + ("qQ" if wide else "iI"))
    table = _slice(fd, dynamic.offset, dynamic.size)
    entries = list(word.iter_unpack(table[: len(table) // word.size * word.size]))
    facts = dict(reversed(entries))
    strings = _strings(fd, segments, facts)
    needed = tuple(_at(strings, value) for tag, value in entries if tag == _DT_NEEDED)
    return Elf(loader, needed, _folders(strings, facts.get(_DT_RPATH)), _folders(strings, facts.get(_DT_RUNPATH)))


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


def _strings(fd: int, segments: list[_Segment], facts: dict[int, int]) -> bytes:
    address, size = facts.get(_DT_STRTAB, 0), facts.get(_DT_STRSZ, 0)
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return _slice(fd, segment.offset + address - segment.address, size)
    return b""


def _slice(fd: int, offset: int, size: int) -> bytes:
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError("odd size")
    return os.pread(fd, size, offset)


def _at(strings: bytes, place: int) -> str:
    if not 0 <= place < len(strings):
        raise ValueError("a name outside of the string table")
    return _text(strings[place:])


def _text(data: bytes) -> str:
    return os.fsdecode(data.split(b"\0", 1)[0])


def _folders(strings: bytes, place: int | None) -> tuple[str, ...]:
    return () if place is None else tuple(folder for folder in _at(strings, place).split(":") if folder)
