"""The built-in sensor `file_watch`: what has happened to files between two looks. Pure; looking is `host/`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from attune.core.durations import read_duration
from attune.core.errors import Fault, shown

KINDS = ("created", "changed", "removed")
MOST_FILES = 10_000
_KEYS = ("path", "events", "every")
_SHORTEST, _LONGEST = 0.1, 86_400.0

Stamp = tuple[int, int, int]
"""What tells that a file is another: its modification time in nanoseconds, its size, its inode."""


@dataclass(frozen=True, slots=True)
class FileWatch:
    """Watches the files that `path` names: one file, the files of a folder, or a pattern with `*`, `?`, `[…]`, `**`.

    `every` is the time between two looks, in seconds.
    """

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


def parse_file_watch(config: Mapping[str, Any]) -> tuple[FileWatch | None, list[Fault]]:
    """`{"path": "/var/spool/in/*.csv", "events": ["created"], "every": "1s"}`: the watch, or what is wrong."""
    faults = [Fault(str(key), f"one of {', '.join(_KEYS)}", "an unknown key") for key in config if key not in _KEYS]
    path, events, every = config.get("path"), config.get("events", list(KINDS)), read_duration(config.get("every", 1))
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
        wanted = "an absolute path or pattern such as '/var/spool/in/*.csv'"
        faults.append(Fault("path", wanted, shown(path) if "path" in config else "nothing"))
    if not isinstance(events, list) or not events or any(one not in KINDS for one in events):
        faults.append(Fault("events", f"a list of {', '.join(KINDS)}", shown(events)))
    if every is None or not _SHORTEST <= every <= _LONGEST:
        faults.append(Fault("every", "a time from 100ms to 1d, such as '1s'", shown(config.get("every"))))
    if faults or every is None:
        return None, faults
    return FileWatch(str(path), frozenset(events), every), []


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
