"""The cheap check on real files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attune.core.nodes.health import Snapshot
from attune.host.probing.file_probe import FileProbe
from attune.host.probing.path_index import PathIndex
from host_checks import script


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "early").mkdir()
    script(tmp_path, "real", "echo 1")
    (tmp_path / "bin" / "tool").symlink_to("../real")
    return tmp_path


def remove(folder: Path) -> None:
    (folder / "bin" / "tool").unlink()


def break_link(folder: Path) -> None:
    (folder / "real").unlink()


def unexecutable(folder: Path) -> None:
    (folder / "real").chmod(0o644)


def rewrite(folder: Path) -> None:
    (folder / "real").write_text("#!/bin/sh\necho 2\n")


def rewrite_with_old_times(folder: Path) -> None:
    before = (folder / "real").stat()
    (folder / "real").write_text("#!/bin/sh\necho 2\n")
    os.utime(folder / "real", ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(folder: Path) -> None:
    script(folder, "new", "echo 2")
    (folder / "new").replace(folder / "real")


def point_elsewhere(folder: Path) -> None:
    script(folder, "other", "echo 2")
    (folder / "link").symlink_to("../other")
    (folder / "link").replace(folder / "bin" / "tool")


def shadow(folder: Path) -> None:
    script(folder / "early", "tool", "echo 2")


def nothing(folder: Path) -> None:
    (folder / "real").read_text()


def seen(before: Snapshot, now: Snapshot) -> str:
    if now == before:
        return "unchanged"
    return "gone" if now.gone else "changed"


@pytest.mark.parametrize(
    ("change", "sighting"),
    [
        (nothing, "unchanged"),
        (remove, "gone"),
        (break_link, "gone"),
        (unexecutable, "gone"),
        (rewrite, "changed"),
        (rewrite_with_old_times, "changed"),
        (replace, "changed"),
        (point_elsewhere, "changed"),
        (shadow, "changed"),
    ],
)
@pytest.mark.parametrize("absolute", [False, True])
def test_every_change_of_the_file_behind_a_command_is_seen(folder: Path, change, sighting, absolute) -> None:  # type: ignore[no-untyped-def]
    witness = FileProbe(PathIndex(f"{folder}/early:{folder}/bin"))
    binary = str(folder / "bin" / "tool") if absolute else "tool"
    (before,) = witness.look([[binary]])
    change(folder)
    (now,) = witness.look([[binary]])

    assert seen(before, now) == ("unchanged" if absolute and change is shadow else sighting)


def test_a_command_that_appears_is_a_change(folder: Path) -> None:
    witness = FileProbe(PathIndex(f"{folder}/early:{folder}/bin"))
    (before,) = witness.look([["absent"]])
    assert before.gone
    script(folder / "early", "absent", "echo 1")
    (now,) = witness.look([["absent"]])

    assert seen(before, now) == "changed"


def test_a_runtime_is_not_gone_while_one_of_its_commands_is_left(folder: Path) -> None:
    witness = FileProbe(PathIndex(f"{folder}/early:{folder}/bin"))
    script(folder / "early", "other", "echo 1")
    (before,) = witness.look([["tool", "other"]])
    remove(folder)
    (now,) = witness.look([["tool", "other"]])

    assert seen(before, now) == "changed"
