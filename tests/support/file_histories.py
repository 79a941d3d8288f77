"""Random operations on a tree of files while a `file_watch` looks at it, and what its events must agree with."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attune.agent.sensors.builtin import BuiltinSensors, Look
from attune.agent.sensors.instance import BuiltinInstance
from attune.core.sensors.event_line import NewEvent
from attune.core.sensors.sensor import Sensor
from attune.host.sensors.file_watcher import FileWatcher
from attune.testing.sensors import MemorySensors


class FileTree:
    """Files below *root*, changed one system call at a time; `states` are the sizes that each path ever had."""

    def __init__(self, root: Path, seed: int, links: bool) -> None:
        self.root, self.chance, self.links = root, random.Random(seed), links
        self.now: dict[str, int] = {}
        self.states: dict[str, set[int]] = {}
        self.gone: dict[str, int] = {}  # how often a path was seen to go
        self.notes = 0
        root.mkdir()

    def operate(self) -> None:
        """Do one thing."""
        target = self.chance.choice(self.folders()) / f"{self.chance.choice('abc')}{self.chance.randrange(12)}"
        operations = (
            self.create, self.create, self.write, self.write, self.truncate, self.remove, self.rename, self.rename,
            self.replace, self.link, self.symlink, self.folder, self.move_folder, self.replace_folder,
        )  # fmt: skip
        self.chance.choice(operations)(target)

    def folders(self) -> list[Path]:
        return [Path(folder) for folder, _, _ in os.walk(self.root)]

    def some(self) -> Path | None:
        """A file or a link."""
        names = [Path(folder) / name for folder, _, names in os.walk(self.root) for name in sorted(names)]
        return self.chance.choice(names) if names else None

    def create(self, target: Path) -> None:
        if not os.path.lexists(target):
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            self.note()

    def write(self, target: Path) -> None:
        if (file := self.some()) and file.is_file():
            with file.open("r+b", buffering=0) as opened:
                opened.seek(0, os.SEEK_END)
                opened.write(b"x" * self.chance.randrange(1, 50))
            self.note()

    def truncate(self, target: Path) -> None:
        if (file := self.some()) and file.is_file():
            os.truncate(file, self.chance.randrange(20))
            self.note()

    def remove(self, target: Path) -> None:
        if file := self.some():
            file.unlink()
            self.note()

    def rename(self, target: Path) -> None:
        if (file := self.some()) and not target.is_dir():
            file.rename(target)
            self.note()

    def replace(self, target: Path) -> None:
        """Write another file and rename it over one that is there."""
        if (file := self.some()) and not file.is_dir():
            other = file.with_name(".new")
            other.write_bytes(b"y" * self.chance.randrange(60))
            other.rename(file)
            self.note()

    def link(self, target: Path) -> None:
        if self.links and (file := self.some()) and _is_plain(file) and not os.path.lexists(target):
            target.hardlink_to(file)
            self.note()

    def symlink(self, target: Path) -> None:
        if self.links and self.chance.random() < 0.3 and not os.path.lexists(target):
            target.symlink_to(self.some() or self.root)
            self.note()

    def folder(self, target: Path) -> None:
        if not os.path.lexists(target) and len(self.folders()) < 12:
            target.mkdir()

    def move_folder(self, target: Path) -> None:
        folder = self.chance.choice(self.folders())
        if folder != self.root and not os.path.lexists(target) and folder not in target.parents:
            folder.rename(target)
            self.note()

    def replace_folder(self, target: Path) -> None:
        """Take all that is in a folder away, file by file, and put a new folder with a file in its place."""
        folder = self.chance.choice(self.folders())
        if folder == self.root or self.chance.random() < 0.5:
            return
        for inner, folders, names in os.walk(folder, topdown=False):
            for name in names:
                (Path(inner) / name).unlink()
                self.note()
            for name in folders:
                path = Path(inner) / name
                path.unlink() if path.is_symlink() else path.rmdir()
        folder.rmdir()
        fresh = folder.with_name(".fresh")
        fresh.mkdir()
        (fresh / "a0").write_bytes(b"z")
        fresh.rename(folder)
        self.note()

    def note(self) -> None:
        """Remember what is there now."""
        self.notes += 1
        now: dict[str, int] = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name[0] != "."]
            for name in (name for name in names if name[0] != "."):
                path = os.path.join(folder, name)  # noqa: PTH118
                if os.path.isfile(path):  # noqa: PTH113
                    now[path] = os.stat(path).st_size  # noqa: PTH116
        for path, size in now.items():
            self.states.setdefault(path, set()).add(size)
        for path in self.now.keys() - now.keys():
            self.gone[path] = self.gone.get(path, 0) + 1
        self.now = now


@dataclass
class Fold:
    """What events, in their order, make of a tree; an event for a state that never was is refused."""

    tree: FileTree
    known: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)

    def __call__(self, event: NewEvent) -> None:
        what, path, size = (event.payload.get(name) for name in ("event", "path", "size"))
        assert isinstance(path, str)
        assert (path in self.known) == (what != "created"), f"{what} of {path}"
        if what == "removed":
            self.removed[path] = self.removed.get(path, 0) + 1
            assert self.removed[path] <= self.tree.gone.get(path, 0), f"{path} never went {self.removed[path]} times"
            del self.known[path]
        else:
            assert isinstance(size, int) and size in self.tree.states.get(path, ()), f"{path} never had {size} bytes"
            self.known[path] = size


@dataclass
class Round:
    """One run: how many events there were, and how long each pause took until they agreed with the tree."""

    events: int
    waited: list[float]


async def watched_round(
    folder: Path,
    *,
    operations: int,
    pauses: int,
    seed: int,
    links: bool = True,
    wrapped: Callable[[Look], Look] = lambda look: look,
    within: float = 30.0,
) -> Round:
    """Do *operations* on a tree below *folder*, with *pauses* in which the fold of the events must become the tree."""
    tree = FileTree(folder / "tree", seed, links)
    store, fold = MemorySensors(), Fold(tree)
    path = f"{tree.root}/**/*"
    sensor = Sensor(
        1, "acme.files", "acme.file", "file_watch", "builtin", "core.sensor.builtin",
        config={"path": path, "every": "0.1s"},
    )  # fmt: skip
    store.definitions[1] = sensor
    (taken,) = await store.take(7, [1], 3600)
    sensors = BuiltinSensors(lambda: 7, store, lambda: datetime.now(UTC), lambda path: wrapped(FileWatcher(path)))
    instance = BuiltinInstance(sensor, taken, lambda: None, sensors.watch)
    instance.begin(0)
    done = Round(0, [])
    try:
        await _until(lambda: store._positions.get(1), within, "the watch began")
        for number in range(1, operations + 1):
            tree.operate()
            await asyncio.sleep(tree.chance.choice((0, 0, 0.001)))
            if number % (operations // pauses) == 0:
                began = time.monotonic()

                def agreed() -> bool:
                    told, store.events[:] = [*store.events], []
                    done.events += len(told)
                    for event in told:
                        fold(event)
                    return fold.known == tree.now

                await _until(agreed, within, "the events make the tree")
                done.waited.append(time.monotonic() - began)
    finally:
        await instance.stop()
    return done


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


async def _until(condition: Callable[[], Any], within: float, what: str) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"expected that {what} within {within:g} s"
        await asyncio.sleep(0.01)
