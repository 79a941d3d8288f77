"""Reads the folder of a pack: regular files only, bounded, and nothing from outside it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attune.core.errors import Fault, SourcePosition, UsageError, shown
from attune.core.packs.pack import PackFile
from attune.host.contract.ownership import OwnershipRule

MAX_FILES = 1000
MAX_BYTES = 10 << 20
MAX_DEPTH = 20
_SKIPPED = frozenset({"__pycache__", "node_modules"})


def read_folder(folder: Path) -> tuple[list[PackFile], list[Fault]]:
    """Its files, without hidden and compiled ones, and what no pack can have. Raises `UsageError` for no folder."""
    if not folder.is_dir():
        raise UsageError(
            f"expected the folder of a pack, got {shown(str(folder))}, which is none", hint="attune pack load DIR"
        )
    root = Path(os.path.realpath(folder))
    if reason := OwnershipRule(os.geteuid(), {root.stat().st_uid}).refuses_folder(str(root)):
        expected = "expected the folder of a pack that nobody but its owner can change"
        raise UsageError(f"{expected}, but {reason}", hint=f"chmod go-w {shown(str(root))}")
    files: list[PackFile] = []
    faults: list[Fault] = []
    size = 0
    for path in _walk(root, root, faults, 0):
        name = path.relative_to(root).as_posix()
        if len(files) >= MAX_FILES:
            faults.append(_fault(name, f"at most {MAX_FILES} files", "more"))
            break
        file = _read(path, name, root, MAX_BYTES - size, faults)
        if file is not None:
            size += len(file.content)
            files.append(file)
    return files, faults


def _fault(name: str, expected: str, got: str) -> Fault:
    return Fault("", expected, got, SourcePosition(name))


def _walk(folder: Path, root: Path, faults: list[Fault], depth: int) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name in _SKIPPED or entry.name.endswith((".pyc", "~")):
            continue
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        if not name.isprintable():
            faults.append(_fault(name.encode("unicode_escape").decode(), "a printable file name", "another"))
        elif entry.is_dir(follow_symlinks=False):
            if depth >= MAX_DEPTH:
                faults.append(_fault(name, f"folders at most {MAX_DEPTH} deep", "deeper ones"))
            else:
                yield from _walk(path, root, faults, depth + 1)
        else:
            yield path


def _read(path: Path, name: str, root: Path, room: int, faults: list[Fault]) -> PackFile | None:
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(root):
            faults.append(_fault(name, "a file of the folder", "a link that leads out of it"))
            return None
        if target.is_dir():
            faults.append(_fault(name, "a file or a folder", "a link to a folder"))
            return None
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        faults.append(_fault(name, "a readable file", f"this: {error.strerror}"))
        return None
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            faults.append(_fault(name, "a regular file", "a pipe, a socket or a device"))
            return None
        content = file.read(room + 1)
    if len(content) > room:
        faults.append(_fault(name, f"at most {MAX_BYTES >> 20} MiB in all files together", "more"))
        return None
    return PackFile(name, content, bool(mode & stat.S_IXUSR))
