"""Reads the folder of a pack: regular files only, bounded, and nothing from outside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attune.core.errors import UsageError, shown
from attune.core.packs.files import PackFile
from attune.core.positions import Mistake

MAX_FILES = 1000
MAX_BYTES = 10 << 20
MAX_DEPTH = 20
_SKIPPED = frozenset({"__pycache__", "node_modules"})


def read_folder(folder: Path) -> tuple[list[PackFile], list[Mistake]]:
    """The files below *folder* by path, and what cannot be part of a pack. Hidden and compiled files are left out.

    Raises `UsageError` where *folder* is none.
    """
    if not folder.is_dir():
        raise UsageError(
            f"expected the folder of a pack, got {shown(str(folder))}, which is none", hint="attune pack load DIR"
        )
    root = Path(os.path.realpath(folder))
    files: list[PackFile] = []
    mistakes: list[Mistake] = []
    size = 0
    for path in _walk(root, root, mistakes, 0):
        name = path.relative_to(root).as_posix()
        if len(files) >= MAX_FILES:
            mistakes.append(Mistake(name, f"expected at most {MAX_FILES} files, got more"))
            break
        file = _read(path, name, root, MAX_BYTES - size, mistakes)
        if file is not None:
            size += len(file.content)
            files.append(file)
    return files, mistakes


def _walk(folder: Path, root: Path, mistakes: list[Mistake], depth: int) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if entry.name.startswith(".") or entry.name in _SKIPPED or entry.name.endswith((".pyc", "~")):
            continue
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        if not name.isprintable():
            mistakes.append(
                Mistake(name.encode("unicode_escape").decode(), "expected a printable file name, got another")
            )
        elif entry.is_dir(follow_symlinks=False):
            if depth >= MAX_DEPTH:
                mistakes.append(Mistake(name, f"expected folders at most {MAX_DEPTH} deep, got deeper ones"))
            else:
                yield from _walk(path, root, mistakes, depth + 1)
        else:
            yield path


def _read(path: Path, name: str, root: Path, room: int, mistakes: list[Mistake]) -> PackFile | None:
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(root):
            mistakes.append(Mistake(name, "expected a file of the folder, got a link that leads out of it"))
            return None
        if target.is_dir():
            mistakes.append(Mistake(name, "expected a file or a folder, got a link to a folder"))
            return None
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        mistakes.append(Mistake(name, f"expected a readable file, got this: {error.strerror}"))
        return None
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            mistakes.append(Mistake(name, "expected a regular file, got a pipe, a socket or a device"))
            return None
        content = file.read(room + 1)
    if len(content) > room:
        mistakes.append(Mistake(name, f"expected at most {MAX_BYTES >> 20} MiB in all files together, got more"))
        return None
    return PackFile(name, content, bool(mode & stat.S_IXUSR))
