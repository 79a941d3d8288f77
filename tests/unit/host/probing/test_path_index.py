from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from attune.core.runtimes.command import Ending
from attune.host.policy import HostPolicy
from attune.host.probing.path_index import Found, Missing, PathIndex


def place(folder: Path, name: str, mode: int = 0o755) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(mode)
    return str(folder / name)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    return first, second


def index(*folders: Path, policy: HostPolicy | None = None) -> PathIndex:
    return PathIndex(":".join(map(str, folders)), policy)


def test_first_executable_file_wins(folders: tuple[Path, Path]) -> None:
    first, second = folders
    expected = place(first, "tool")
    place(second, "tool")

    assert index(first, second).find("tool") == Found(expected)


@pytest.mark.parametrize("obstacle", ["directory", "plain file", "broken link"])
def test_what_cannot_be_executed_is_passed_over_but_remembered(folders: tuple[Path, Path], obstacle: str) -> None:
    first, second = folders
    reasons = {
        "directory": "is a directory",
        "plain file": "is not executable",
        "broken link": "is a broken link",
    }
    if obstacle == "directory":
        (first / "tool").mkdir()
    elif obstacle == "plain file":
        place(first, "tool", 0o644)
    else:
        (first / "tool").symlink_to("nowhere")
    paths = index(first, second)

    assert paths.missing("tool") == f"{first}/tool {reasons[obstacle]}"
    expected = place(second, "tool")
    paths.token()
    assert paths.find("tool") == Found(expected)


def test_unknown_name_is_not_found(folders: tuple[Path, Path]) -> None:
    assert index(*folders).find("tool") == Missing(Ending.NOT_FOUND, "not found on PATH")


def test_relative_empty_and_absent_entries_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, "tool")
    monkeypatch.chdir(tmp_path)

    assert PathIndex(f"::.:{tmp_path.name}:/no/such/folder:{tmp_path}/tool:").missing("tool") == "not found on PATH"
    assert PathIndex("").missing("sh") == "not found on PATH"


def test_token_stays_while_nothing_changes_and_changes_with_any_folder(folders: tuple[Path, Path]) -> None:
    paths = index(*folders)
    time.sleep(0.05)  # until the folders are no longer young
    token = paths.token()
    assert paths.token() == token

    place(folders[1], "new")
    assert paths.token() != token
    assert isinstance(paths.find("new"), Found)


def test_folder_that_appears_or_vanishes_changes_the_token(tmp_path: Path) -> None:
    later = tmp_path / "later"
    paths = PathIndex(str(later))
    token = paths.token()
    expected = place(later, "tool")

    assert paths.token() != token
    assert paths.find("tool") == Found(expected)


@pytest.mark.parametrize(("later_ns", "known"), [(5_000_000, False), (30_000_000, True)])
def test_a_folder_is_known_by_its_time_only_when_that_is_over(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, later_ns: int, known: bool
) -> None:
    changed = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: changed + later_ns)
    os.utime(folders[0], ns=(changed, changed))
    os.utime(folders[1], ns=(0, 0))
    paths = index(*folders)
    assert isinstance(paths.find("tool"), Missing)
    token = paths.token()
    expected = place(folders[0], "tool")
    os.utime(folders[0], ns=(changed, changed))  # as a second change within the tick of the first leaves it

    assert (paths.token() == token) is known
    assert known or paths.find("tool") == Found(expected)


def test_file_added_within_the_same_tick_of_the_clock_is_found(tmp_path: Path) -> None:
    for n in range(50):
        folder = tmp_path / str(n)
        folder.mkdir()
        paths = PathIndex(str(folder))
        assert paths.missing("tool") == "not found on PATH"
        expected = place(folder, "tool")
        paths.token()
        assert paths.find("tool") == Found(expected)


@pytest.mark.parametrize(("age_ns", "seen"), [(1_000_000, True), (1_000_000_000, False)])
def test_listing_of_a_folder_that_has_just_changed_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_ns: int, seen: bool
) -> None:
    """A second change within one tick of the kernel's clock leaves the folder's time as it was."""
    changed = tmp_path.stat().st_mtime_ns
    monkeypatch.setattr(time, "time_ns", lambda: changed + age_ns)
    paths = PathIndex(str(tmp_path))
    assert paths.missing("tool") == "not found on PATH"
    token = paths.token()
    place(tmp_path, "tool")
    os.utime(tmp_path, ns=(changed, changed))

    assert (paths.token() != token) is seen
    assert (paths.missing("tool") is None) is seen


def test_folder_that_may_be_searched_but_not_listed_is_searched(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    expected = place(folder, "tool")
    folder.chmod(0o111)
    time.sleep(0.05)
    try:
        paths = PathIndex(str(folder))
        assert paths.find("tool") == Found(expected)
        assert paths.missing("other") == "not found on PATH"
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("name", ["", "bin/sh", "./sh", "a\0b", "x" * 300, "\ud800", "..", "."])
def test_odd_names_are_missing_without_an_error(name: str) -> None:
    assert PathIndex("/usr/bin:/bin").missing(name) is not None


def test_absolute_paths_need_no_search(tmp_path: Path) -> None:
    expected = place(tmp_path, "tool")
    paths = PathIndex("")

    assert paths.find(expected) == Found(expected)
    assert paths.missing(f"{tmp_path}/none") == f"{tmp_path}/none does not exist"
    assert paths.missing(str(tmp_path)) == f"{tmp_path} is a directory"


def test_policy_refuses_before_and_after_the_search(folders: tuple[Path, Path]) -> None:
    first, second = folders
    place(first, "tool")
    alias = second / "alias"
    alias.symlink_to(first / "tool")
    names = HostPolicy(allowed_binaries=frozenset({"other", str(first / "tool")}))
    trusted = HostPolicy(trusted_paths=(str(second),))

    assert index(first, policy=names).find("tool").__class__ is Missing
    assert isinstance(index(policy=names).find(str(first / "tool")), Found)
    refused = index(second, policy=trusted).find("alias")
    assert isinstance(refused, Missing)
    assert refused.ending is Ending.REFUSED
    assert isinstance(index(first, policy=HostPolicy(trusted_paths=(f"{first}/",))).find("tool"), Found)
    assert isinstance(index(first, policy=HostPolicy(trusted_paths=("/",))).find("tool"), Found)


def test_trusted_path_is_no_mere_prefix(tmp_path: Path) -> None:
    path = place(tmp_path / "bin-evil", "tool")

    assert PathIndex("", HostPolicy(trusted_paths=(f"{tmp_path}/bin",))).missing(path) is not None


def test_folder_trusted_under_another_name_is_trusted(tmp_path: Path) -> None:
    real = tmp_path / "real"
    path = place(real, "tool")
    (tmp_path / "alias").symlink_to(real)

    assert isinstance(PathIndex("", HostPolicy(trusted_paths=(f"{tmp_path}/alias",))).find(path), Found)
    assert isinstance(PathIndex("", HostPolicy(trusted_paths=(str(real),))).find(f"{tmp_path}/alias/tool"), Found)


def test_root_folder_can_be_on_the_path() -> None:
    assert os.path.isdir("/")  # noqa: PTH112
    assert PathIndex("/").missing("tmp") == "/tmp is a directory"
