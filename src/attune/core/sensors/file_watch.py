"""The built-in sensor `file_watch`: what has happened to files between two looks. Pure; looking is `host/`'s."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from attune.core.documents import Section, plain

KINDS = ("created", "changed", "removed")
MOST_FILES = 100_000
MOST_CHANGES = 5_000
"""That are told at once."""
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
class FileView:
    """What one look found: the files, and where. Only views of one `place` (host, file system, folder) compare.

    `mounts` are mount points below which files lie. `missing` says what is not there: if that is the folder, `place` is
    empty. `where` is for people; `told` is whether the file system tells of each change.
    """

    place: str
    files: Mapping[str, Stamp] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    missing: str = ""
    where: str = field(default="", compare=False)
    told: bool = field(default=False, compare=False)

    def position(self, path: str) -> dict[str, Any]:
        """What a watch of *path* remembers of it."""
        return {"path": path, "place": self.place, "mounts": list(self.mounts), "files": dict(self.files)}

    def gone_since(self, before: "FileView | None") -> str:
        """What is not there of what *before* has seen, as a sentence; "" where this can be compared with it."""
        if self.missing and (not self.place or (before is not None and before.place != self.place)):
            return self.missing
        gone = [] if before is None else sorted({*before.mounts} - {*self.mounts})
        return f"nothing is mounted at {gone[0]}" if gone else ""

    def is_elsewhere(self, before: "FileView | None") -> bool:
        """Whether *before* was at another place, so that this is where a watch begins anew."""
        return before is not None and before.place not in ("", self.place)

    def steps_since(self, before: "FileView | None") -> Iterator[tuple["FileView", list["FileChange"]]]:
        """What happened since *before*, so many changes at a time, each with the view that they lead to."""
        known = self.files if before is None or self.is_elsewhere(before) else before.files
        happened, files = [*changes(known, self.files)], dict(known)
        for begin in range(0, len(happened) or 1, MOST_CHANGES):
            part = happened[begin : begin + MOST_CHANGES]
            for change in part:
                files.pop(change.path, None)
            files |= {change.path: self.files[change.path] for change in part if change.path in self.files}
            yield replace(self, files=files), part


def view_of(position: Any, path: str) -> FileView | None:
    """The view that *position* of a watch of *path* remembers, None for none."""
    files = position.get("files") if isinstance(position, dict) else None
    if not isinstance(files, dict) or position.get("path", path) != path:
        return None
    stamps = {name: (stamp[0], stamp[1], stamp[2]) for name, stamp in files.items()}
    return FileView(str(position.get("place", "")), stamps, tuple(map(str, position.get("mounts", ()))))


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
