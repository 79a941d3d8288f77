"""The built-in sensor `file_watch`, on real folders: what it tells while the place that it watches comes and goes."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attune.agent.sensors.builtin import BuiltinSensors
from attune.agent.sensors.instance import BuiltinInstance
from attune.core.sensors.assignment import SensorState
from attune.core.sensors.file_watch import FileView, view_of
from attune.core.sensors.sensor import Sensor
from attune.host.sensors.file_stamps import file_view
from attune.testing.sensors import MemorySensors

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Watching:
    """A `file_watch` that looks when it is told to; `alter` changes what the host shows."""

    path: str
    store: MemorySensors = field(default_factory=MemorySensors)
    alter: Callable[[FileView], FileView] = lambda view: view
    looks: int = 0
    look: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self) -> None:
        self.loop = asyncio.get_running_loop()
        config = {"path": self.path, "every": "0.1s"}
        sensor = Sensor(1, "acme.files", "acme.file", "file_watch", "builtin", "core.sensor.builtin", config=config)
        self.store.definitions[1] = sensor
        (taken,) = await self.store.take(7, [1], 600)
        sensors = BuiltinSensors(lambda: 7, self.store, lambda: datetime.now(UTC), self._look)
        self.instance = BuiltinInstance(sensor, taken, lambda: None, sensors.watch)
        self.instance.begin(0)
        await self.looked()

    def _look(self, path: str) -> FileView:
        self.looks += 1
        self.loop.call_soon_threadsafe(self.look.set)
        return self.alter(file_view(path))

    async def looked(self) -> None:
        """Return when a look that began after this call is stored and told."""
        async with asyncio.timeout(30):
            until = self.looks + 2
            while self.looks < until:
                await self.look.wait()
                self.look.clear()

    def told(self) -> list[tuple[str, str]]:
        found = [(event.payload["event"], Path(event.payload["path"]).name) for event in self.store.events]
        self.store.events.clear()
        return found

    def state(self) -> tuple[SensorState, str]:
        return self.instance.report.state, self.instance.report.reason


async def test_a_folder_that_goes_away_is_waited_for_and_nothing_of_it_is_told(tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    (inbox / "a").write_text("1")
    watching = Watching(str(inbox))
    await watching.begin()
    assert watching.state() == (SensorState.RUNNING, f"watches {inbox}: 1 files")

    inbox.rename(tmp_path / "away")
    await watching.looked()
    assert (watching.told(), watching.state()) == ([], (SensorState.WAITING, f"waits: {inbox} is not there"))
    (tmp_path / "away" / "b").write_text("1")
    (tmp_path / "away").rename(inbox)
    await watching.looked()
    assert (watching.told(), watching.state()[0]) == ([("created", "b")], SensorState.RUNNING)
    await watching.instance.stop()


async def test_a_file_that_is_not_there_yet_is_waited_for_and_told(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    watching = Watching(str(file))
    await watching.begin()
    assert watching.state() == (SensorState.WAITING, f"waits: {file} is not there")
    file.write_text("1")
    await watching.looked()
    file.unlink()
    await watching.looked()

    assert watching.told() == [("created", "one.csv"), ("removed", "one.csv")]
    await watching.instance.stop()


async def test_a_missing_folder_of_a_pattern_is_told(tmp_path: Path) -> None:
    watching = Watching(f"{tmp_path}/no/**/*.csv")
    await watching.begin()

    assert watching.state() == (SensorState.WAITING, f"waits: {tmp_path}/no is not there")
    await watching.instance.stop()


async def test_a_share_that_is_unmounted_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    watching = Watching(str(tmp_path), alter=lambda view: replace(view, mounted=True))
    await watching.begin()
    watching.alter = lambda view: replace(view, files={}, place=f"h 0 {tmp_path}")
    await watching.looked()
    assert (watching.told(), watching.state()) == (
        [],
        (SensorState.WAITING, f"waits: nothing is mounted at {tmp_path}"),
    )
    (tmp_path / "b").write_text("1")
    watching.alter = lambda view: replace(view, mounted=True)
    await watching.looked()

    assert watching.told() == [("created", "b")]
    await watching.instance.stop()


async def test_another_host_or_disk_is_a_new_base_line_without_events(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    watching = Watching(str(tmp_path))
    await watching.begin()
    watching.alter = lambda view: replace(view, place=f"another 0 {tmp_path}", files={"/x": (1, 1, 1)})
    await watching.looked()
    assert watching.told() == []
    watching.alter = lambda view: replace(view, place=f"another 0 {tmp_path}", files={})
    await watching.looked()

    assert watching.told() == [("removed", "x")]
    await watching.instance.stop()


def test_a_position_is_read_as_it_was_remembered(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    view = file_view(str(tmp_path))

    assert view_of(view.position()) == view
    assert view_of({"files": {"/a": [1, 2, 3]}}) == FileView("", {"/a": (1, 2, 3)})
    assert view_of(None) is None


def operate(random: random.Random, tree: Path, away: Path) -> None:
    """Do one thing to *tree*, or to it as a whole: create, write, rename, remove, move a folder, unmount, mount."""
    if away.exists():
        away.rename(tree)
        return
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    folders = [tree, *sorted(path for path in tree.rglob("*") if path.is_dir())]
    target = random.choice(folders) / str(random.randrange(30))
    match random.randrange(8):
        case 0 | 1 if not target.exists():
            target.write_text("")
        case 2 if not target.exists():
            target.mkdir()
        case 3 if files:
            random.choice(files).write_text("x" * random.randrange(1, 1000))
        case 4 if files and not target.is_dir():
            random.choice(files).rename(target)
        case 5 if files:
            random.choice(files).unlink()
        case 6 if len(folders) > 1:
            folder = random.choice(folders[1:])
            if not target.exists() and folder not in target.parents:
                folder.rename(target)
            elif random.random() < 0.2:
                shutil.rmtree(folder)
        case 7 if random.random() < 0.2:
            tree.rename(away)


def fold(known: dict[str, int], before: FileView, view: FileView) -> None:
    """Apply what happened to *known*, sizes by path; refuse an event for a state that never was."""
    for change in view.changes_since(before) or []:
        assert (change.path in known) == (change.event != "created")
        if change.size is None:
            del known[change.path]
        else:
            known[change.path] = change.size


def test_the_fold_of_the_events_is_the_tree_whatever_is_done_to_it(tmp_path: Path) -> None:
    tree, away, chance = tmp_path / "tree", tmp_path / "away", random.Random(14)
    tree.mkdir()
    pattern, known = f"{tree}/**/*", dict[str, int]()
    before = file_view(pattern)
    for number in range(1500):
        operate(chance, tree, away)
        if number % 3 == 0:
            view = file_view(pattern)
            assert bool(view.gone_since(before)) == away.exists()
            if not view.missing:
                fold(known, before, view)
                before = view_of(view.position()) or before
                assert known == {str(path): path.stat().st_size for path in tree.rglob("*") if path.is_file()}
