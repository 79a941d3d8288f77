"""The files of a pack, and the digest that names a set of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class PackFile:
    """One file; `path` is relative to the pack's folder, with `/`."""

    path: str
    content: bytes
    executable: bool = False


def digest_of(files: Iterable[PackFile]) -> str:
    """64 hex digits: equal for the same paths, contents and executable marks, in whatever order."""
    total = sha256()
    for file in sorted(files, key=lambda file: file.path):
        name = file.path.encode("utf-8", "surrogateescape")
        total.update(b"%d %b %d %d " % (len(name), name, file.executable, len(file.content)))
        total.update(file.content)
    return total.hexdigest()
