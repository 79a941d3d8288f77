"""The built-in sensor `file_watch`: what has happened to files between two looks. Pure; looking is `host/`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from attune.core.documents import Section, plain

KINDS = ("created", "changed", "removed")
MOST_FILES = 10_000
_SHORTEST, _LONGEST = 0.1, 86_400.0

Stamp = tuple[int, int, int]
"""What tells that a file is another: its modification time in nanoseconds, its size, its inode."""


@dataclass(frozen=True, slots=True)
class FileWatch:
    """Watches the files that `path` (a file, a folder, a pattern with `*`, `**`) names, each `every` seconds."""

    path: str
    events: frozenset[str] = frozenset(KINDS)
    every: float = 1.0


@dataclass(frozen=True, slots=True)
class FileChange:
    """What happened to one file."""

    event: str
    path: str
    size: int | None = None

    def payload(self, at: str) -> dict[str, Any]:
        size = {} if self.size is None else {"size": self.size}
        return {"at": at, "event": self.event, "path": self.path, **size}


def parse_file_watch(config: Section) -> FileWatch | None:
    """`{"path": "/var/spool/in/*.csv", "events": ["created"], "every": "1s"}`: the watch, or None."""
    node = config.node("path")
    path = node.value if node else None
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
        config.refuse("path", "an absolute path or pattern such as '/var/spool/in/*.csv'")
    node = config.node("events")
    events = list(KINDS) if node is None else plain(node)
    if not isinstance(events, list) or not events or any(kind not in KINDS for kind in events):
        config.refuse("events", f"a list of {', '.join(KINDS)}")
        events = []
    every = config.seconds("every", _SHORTEST, _LONGEST, "a time from 100ms to 1d, such as '1s'")
    return FileWatch(str(path), frozenset(events), 1.0 if every is None else every)


def changes(before: Mapping[str, Stamp], now: Mapping[str, Stamp]) -> Iterator[FileChange]:
    """What happened between two looks, by path."""
    for path in sorted(before.keys() | now.keys()):
        old, new = before.get(path), now.get(path)
        if new is None:
            yield FileChange("removed", path)
        elif old is None:
            yield FileChange("created", path, new[1])
        elif old != new:
            yield FileChange("changed", path, new[1])
