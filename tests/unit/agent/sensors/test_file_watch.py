"""The built-in sensor `file_watch`, on real folders: what it tells while the place that it watches comes and goes."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from attune.agent.sensors import builtin
from attune.agent.sensors.builtin import BuiltinSensors, Look
from attune.agent.sensors.instance import BuiltinInstance
from attune.core.sensors.assignment import SensorState
from attune.core.sensors.file_watch import FileView, view_of
from attune.core.sensors.sensor import Sensor
from attune.host.sensors import file_stamps, file_watcher
from attune.host.sensors.file_stamps import file_view
from attune.testing.sensors import MemorySensors
from file_histories import watched_round

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "_PAUSE", 0)


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
        sensors = BuiltinSensors(lambda: 7, self.store, lambda: datetime.now(UTC), lambda path: self._look)
        self.instance = BuiltinInstance(sensor, taken, lambda: None, sensors.watch)
        self.instance.begin(0)
        await self.looked()

    def _look(self) -> FileView:
        self.looks += 1
        self.loop.call_soon_threadsafe(self.look.set)
        return self.alter(file_view(self.path))

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
    state, reason = watching.state()
    assert (state, reason.startswith(f"watches {inbox}: 1 files in {inbox.resolve()} on ")) == (
        SensorState.RUNNING,
        True,
    )

    inbox.rename(tmp_path / "away")
    for _ in range(2):  # the one that it goes away in says that it has become another folder
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
    watching = Watching(str(tmp_path), alter=lambda view: replace(view, mounts=(str(tmp_path),)))
    await watching.begin()
    watching.alter = lambda view: replace(view, files={}, mounts=(), place=f"h 0 {tmp_path}")
    await watching.looked()
    assert (watching.told(), watching.state()) == (
        [],
        (SensorState.WAITING, f"waits: nothing is mounted at {tmp_path}"),
    )
    (tmp_path / "b").write_text("1")
    watching.alter = lambda view: replace(view, mounts=(str(tmp_path),))
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

    assert view_of(view.position("/in"), "/in") == view
    assert view_of(view.position("/in/*.csv"), "/in/*.txt") is None
    assert view_of({"files": {"/a": [1, 2, 3]}}, "/") == FileView("", {"/a": (1, 2, 3)})
    assert view_of(None, "/") is None


def test_many_changes_are_stored_in_steps_that_lead_from_one_view_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attune.core.sensors.file_watch.MOST_CHANGES", 3)
    before = FileView("h", {f"/{name}": (1, 1, 1) for name in "abcd"})
    view = FileView("h", {f"/{name}": (2, 1, 1) for name in "cdefg"})
    steps = [(dict(step.files), [change.path for change in part]) for step, part in view.steps_since(before)]

    assert [part for _, part in steps] == [["/a", "/b", "/c"], ["/d", "/e", "/f"], ["/g"]]
    assert [sorted(files) for files, _ in steps] == [["/c", "/d"], ["/c", "/d", "/e", "/f"], [*view.files]]
    assert steps[-1][0] == view.files
    assert [part for _, part in view.steps_since(view)] == [[]]


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("", {"a.csv", ".hidden", "link"}),
        ("a.csv", {"a.csv"}),
        ("*.csv", {"a.csv"}),
        (".*", {".hidden"}),
        ("*/*.csv", {"sub/b.csv", "other/b.csv"}),
        ("**/*.csv", {"a.csv", "sub/b.csv", "sub/deep/c.csv"}),
        ("sub/**", {"sub/b.csv", "sub/deep/c.csv"}),
        ("**/deep/*", {"sub/deep/c.csv"}),
        ("[x]/*", set()),
    ],
)
def test_which_files_a_pattern_names(tmp_path: Path, pattern: str, named: set[str]) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for name in ("a.csv", ".hidden", "sub/b.csv", "sub/deep/c.csv"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("a.csv")
    (tmp_path / "other").symlink_to("sub")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("one", "two"):  # of which each leads to both
        (tmp_path / "sub" / name).symlink_to(".")

    assert {os.path.relpath(file, tmp_path) for file in file_view(f"{tmp_path}/{pattern}".rstrip("/")).files} == named


def test_what_cannot_be_read_is_an_error_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()

    def none_left(path: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files", path)

    monkeypatch.setattr(os, "scandir", none_left)
    with pytest.raises(OSError, match="Too many open files"):
        file_view(str(tmp_path))


def test_a_share_below_the_folder_is_one_of_the_mounts_once_a_file_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    lines = [
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
        f"2 1 8:2 / {tmp_path}/in rw - nfs4 server:/in rw",
        f"3 2 8:3 / {tmp_path}/in/a\\040share rw shared:1 - cifs //nas/a rw",
        f"4 2 8:3 / {tmp_path}/in/empty rw - tmpfs tmpfs rw",
    ]
    table.write_text("\n".join(lines))
    monkeypatch.setattr(file_stamps, "_MOUNTS", table)
    for name in ("a share", "empty"):
        (tmp_path / "in" / name).mkdir(parents=True)
    (tmp_path / "in" / "a share" / "x").touch()
    view = file_view(f"{tmp_path}/in/**")

    assert view.mounts == (f"{tmp_path}/in", f"{tmp_path}/in/a share")
    assert (view.where, view.told) == (f"in {tmp_path}/in on nfs4 server:/in", False)
    table.write_text("\n".join(lines[:2]))
    assert file_view(f"{tmp_path}/in/**").gone_since(view) == f"nothing is mounted at {tmp_path}/in/a share"
    local = lines[1].replace("nfs4 server:/in", "ext4 /dev/sdb")
    for below, told in (([], True), (lines[2:3], False), (lines[3:], True)):
        table.write_text("\n".join([lines[0], local, *below]))
        assert file_view(f"{tmp_path}/in/**").told is told


def test_what_inotify_tells_of_is_looked_at_and_else_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_watcher, "_SETTLE_SECONDS", 0)
    monkeypatch.setattr(file_stamps, "_TELLS", (file_view(str(tmp_path)).where.split()[3],))
    (tmp_path / "a").write_text("1")
    look = file_watcher.FileWatcher(f"{tmp_path}/**")
    first = look()
    assert first is not None and first.where.endswith(", by inotify")

    def looked() -> FileView:
        end = time.monotonic() + 20
        while (view := look()) is None:
            assert time.monotonic() < end
        return view

    quiet = [look() for _ in range(20)]
    assert quiet[-10:] == [None] * 10
    (tmp_path / "b").write_text("1")
    assert looked().files.keys() == {f"{tmp_path}/a", f"{tmp_path}/b"}
    (tmp_path / "c").hardlink_to(tmp_path / "b")
    while not (view := looked()).where.endswith(", by polling"):
        pass
    assert len(view.files) == 3 and look() is not None
    (tmp_path / "c").unlink()
    assert looked().where.endswith(", by inotify")


def test_what_nothing_tells_of_is_looked_at_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_watcher, "_LOOK_SECONDS", 0)
    look = file_watcher.FileWatcher(str(tmp_path))

    assert [look() is None for _ in range(3)] == [False] * 3


@pytest.mark.parametrize("links", [False, True])
async def test_the_fold_of_the_events_is_the_tree_whatever_is_done_to_it(tmp_path: Path, links: bool) -> None:
    done = await watched_round(tmp_path, operations=150, pauses=2, seed=14, links=links)

    assert done.events > 10


def forgetful(look: Look) -> Look:
    """Leaves a file out of every other view."""
    views = itertools.count()

    def bad() -> FileView | None:
        view = look()
        files = dict([*view.files.items()][next(views) % 2 :]) if view else {}
        return replace(view, files=files) if view else None

    return bad


def deaf(look: Look) -> Look:
    """Sees nothing after its first look."""
    looks = itertools.count()
    return lambda: look() if next(looks) < 1 else None


def inventive(look: Look) -> Look:
    """Tells sizes that files never had."""
    return lambda: (
        (view := look())
        and replace(view, files={name: (one[0], one[1] + 1000, one[2]) for name, one in view.files.items()})
    )


@pytest.mark.parametrize(("bug", "says"), [(forgetful, "never went|make"), (deaf, "make"), (inventive, "never had")])
async def test_the_check_of_histories_finds_bugs_that_are_planted(tmp_path: Path, bug: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        await watched_round(tmp_path, operations=100, pauses=10, seed=3, wrapped=bug, within=1)
