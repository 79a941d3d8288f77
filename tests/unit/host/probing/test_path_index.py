from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from attune.core.runtimes.command import Ending, Found, Missing
from attune.host.contract.accounts import user_text
from attune.host.contract.policy import HostPolicy
from attune.host.probing.path_index import PathIndex


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


def missing(paths: PathIndex, name: str) -> str | None:
    location = paths.find(name)
    return location.detail if isinstance(location, Missing) else None


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

    assert missing(paths, "tool") == f"{first}/tool {reasons[obstacle]}"
    expected = place(second, "tool")
    paths.token()
    assert paths.find("tool") == Found(expected)


def test_unknown_name_is_not_found(folders: tuple[Path, Path]) -> None:
    assert index(*folders).find("tool") == Missing(Ending.NOT_FOUND, "not found on PATH")


def test_relative_empty_and_absent_entries_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, "tool")
    monkeypatch.chdir(tmp_path)

    assert missing(PathIndex(f"::{tmp_path.name}:/no/such/folder:"), "tool") == (
        f"not found on PATH; PATH entry {tmp_path.name} is ignored: it is no absolute path"
    )
    assert missing(PathIndex(""), "sh") == "not found on PATH"


@pytest.mark.parametrize("entry", ["$HOME/bin", "~/bin", '"/opt/bin"', "'/opt/bin'", "bin", "${HOME}/.local/bin"])
def test_an_entry_that_a_shell_would_have_expanded_is_named(tmp_path: Path, entry: str) -> None:
    paths = PathIndex(f"{entry}:{tmp_path}:{entry}")
    said = f"PATH entry {entry} is ignored: it is no absolute path"

    assert paths.refusals() == (said,)
    assert missing(paths, "tool") == f"not found on PATH; {said}"


def test_an_entry_that_is_a_file_is_named(tmp_path: Path) -> None:
    tool = place(tmp_path, "tool")
    said = f"PATH entry {tool} is ignored: it is no directory"

    assert PathIndex(f"{tool}:/no/such/folder").refusals() == (said,)
    assert missing(PathIndex(tool), "tool") == f"not found on PATH; {said}"


@pytest.mark.parametrize(
    ("name", "there", "named"),
    [
        ("python3", ["python3.11", "python3.9", "python3.9-config", "pythonw"], "python3.11, python3.9"),
        ("php", ["php8.2", "php7.4", "phpize8.2"], "php8.2, php7.4"),
        ("clang", ["clang-14", "clang++-14", "clang-9", "clang-15", "clang-16"], "clang-16, clang-15, clang-14"),
        ("lua", ["lua5.4", "luac5.4"], "lua5.4"),
        ("ruby", ["rubygems"], ""),
    ],
)
def test_what_is_missing_names_the_versions_that_are_there(
    tmp_path: Path, name: str, there: list[str], named: str
) -> None:
    for other in there:
        place(tmp_path, other)
    os.utime(tmp_path, (1_700_000_000, 1_700_000_000))

    assert missing(index(tmp_path), name) == "not found on PATH" + (f", which has {named}" if named else "")


def test_what_has_failed_is_passed_over_by_its_real_path(folders: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = folders
    failed, good = place(first, "tool"), place(second, "tool")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "tool").symlink_to(failed)
    paths = index(first, tmp_path / "link", second)

    assert paths.find("tool", failed={failed}) == Found(good)
    assert isinstance(paths.find("tool", failed={failed, good}), Missing)


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
        assert missing(paths, "tool") == "not found on PATH"
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
    assert missing(paths, "tool") == "not found on PATH"
    token = paths.token()
    place(tmp_path, "tool")
    os.utime(tmp_path, ns=(changed, changed))

    assert (paths.token() != token) is seen
    assert (missing(paths, "tool") is None) is seen


def test_folder_that_may_be_searched_but_not_listed_is_searched(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    expected = place(folder, "tool")
    folder.chmod(0o111)
    time.sleep(0.05)
    try:
        paths = PathIndex(str(folder))
        assert paths.find("tool") == Found(expected)
        assert missing(paths, "other") == "not found on PATH"
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("name", ["", "bin/sh", "./sh", "a\0b", "x" * 300, "\ud800", "..", "."])
def test_odd_names_are_missing_without_an_error(name: str) -> None:
    assert missing(PathIndex("/usr/bin:/bin"), name) is not None


def test_absolute_paths_need_no_search(tmp_path: Path) -> None:
    expected = place(tmp_path, "tool")
    paths = PathIndex("")

    assert paths.find(expected) == Found(expected)
    assert missing(paths, f"{tmp_path}/none") == f"{tmp_path}/none does not exist"
    assert missing(paths, str(tmp_path)) == f"{tmp_path} is a directory"


def test_policy_refuses_before_and_after_the_search(folders: tuple[Path, Path]) -> None:
    first, second = folders
    place(first, "tool")
    alias = second / "alias"
    alias.symlink_to(first / "tool")
    names = HostPolicy(allowed_binaries=frozenset({"other", str(first / "tool")}))
    trusted = HostPolicy(allowed_paths=(str(second),))

    assert index(first, policy=names).find("tool").__class__ is Missing
    assert isinstance(index(policy=names).find(str(first / "tool")), Found)
    refused = index(second, policy=trusted).find("alias")
    assert isinstance(refused, Missing)
    assert refused.ending is Ending.REFUSED
    assert isinstance(index(first, policy=HostPolicy(allowed_paths=(f"{first}/",))).find("tool"), Found)
    assert isinstance(index(first, policy=HostPolicy(allowed_paths=("/",))).find("tool"), Found)


def test_trusted_path_is_no_mere_prefix(tmp_path: Path) -> None:
    path = place(tmp_path / "bin-evil", "tool")

    assert missing(PathIndex("", HostPolicy(allowed_paths=(f"{tmp_path}/bin",))), path) is not None


def test_folder_trusted_under_another_name_is_trusted(tmp_path: Path) -> None:
    real = tmp_path / "real"
    path = place(real, "tool")
    (tmp_path / "alias").symlink_to(real)

    assert isinstance(PathIndex("", HostPolicy(allowed_paths=(f"{tmp_path}/alias",))).find(path), Found)
    assert isinstance(PathIndex("", HostPolicy(allowed_paths=(str(real),))).find(f"{tmp_path}/alias/tool"), Found)


def test_root_folder_can_be_on_the_path() -> None:
    assert os.path.isdir("/")  # noqa: PTH112
    assert missing(PathIndex("/"), "tmp") == "/tmp is a directory"


EVERYBODY = f"is writable by everybody (owner {user_text(os.geteuid())}, mode 0777)"


def test_a_folder_that_others_may_write_to_is_passed_over_and_said_so(folders: tuple[Path, Path]) -> None:
    first, second = folders
    place(first, "tool")
    place(first, "only")
    expected = place(second, "tool")
    first.chmod(0o777)
    paths = index(first, second)

    assert paths.find("tool") == Found(expected, (f"{first}/tool: {first} {EVERYBODY}",))
    assert paths.find("only") == Missing(Ending.REFUSED, f"{first}/only: {first} {EVERYBODY}")
    assert missing(paths, "none") == "not found on PATH"
    assert paths.trusted_path() == str(second)
    first.chmod(0o755)
    paths.token()
    assert paths.find("tool") == Found(f"{first}/tool")
    assert paths.trusted_path() == f"{first}:{second}"


def test_a_file_that_others_may_write_to_is_passed_over_until_that_is_mended(folders: tuple[Path, Path]) -> None:
    first, second = folders
    open_to_all, expected = place(first, "tool", 0o777), place(second, "tool")
    paths = index(first, second)

    assert paths.find("tool") == Found(expected, (f"{open_to_all} {EVERYBODY}",))
    assert paths.find(open_to_all) == Missing(Ending.REFUSED, f"{open_to_all} {EVERYBODY}")
    (first / "tool").chmod(0o755)
    paths.token()
    assert paths.find("tool") == Found(open_to_all)


def test_a_folder_that_a_parent_opens_and_closes_changes_with_it(tmp_path: Path) -> None:
    expected = place(tmp_path / "bin", "tool")
    tmp_path.chmod(0o777)
    paths = index(tmp_path / "bin")
    assert isinstance(paths.find("tool"), Missing)
    before = paths.token()

    tmp_path.chmod(0o700)
    assert paths.token() != before
    assert paths.find("tool") == Found(expected)
    tmp_path.chmod(0o777)
    paths.token()
    assert isinstance(paths.find("tool"), Missing)


def test_where_no_folder_passes_the_path_is_not_empty(tmp_path: Path) -> None:
    assert PathIndex("").trusted_path() == index(tmp_path / "absent").trusted_path() == "/dev/null"


def test_a_shortage_decides_nothing(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    place(folders[0], "tool")

    def short(path: str, known: object = None) -> str | None:
        raise OSError(24, "Too many open files")

    policy = HostPolicy()
    monkeypatch.setattr(policy.ownership, "refuses_file", short)
    assert index(*folders, policy=policy).find("tool") == Missing(Ending.UNDECIDED, "not started: too many open files")


def test_commands_are_allowed_by_name_or_with_all_their_arguments(folders: tuple[Path, Path]) -> None:
    tool, other = place(folders[0], "tool"), place(folders[0], "other")
    place(folders[1], "tool")
    policy = HostPolicy(frozenset({"other"}), frozenset({("tool", "--version"), ("/x", "y")}))
    paths = index(*folders, policy=policy)
    settings = "(host.allowed_binaries and host.allowed_commands)"

    assert paths.find("other", ["-c", "anything"]) == Found(other)
    assert paths.find("tool", ["--version"]) == paths.find("tool") == Found(tool)
    assert missing(paths, "third") == f"not among the commands that this host allows {settings}"
    for args in ([], ["--version", "x"], ["-c", "evil"]):
        refused = Missing(
            Ending.REFUSED, f"not with these arguments among the commands that this host allows {settings}"
        )
        assert paths.find("tool", args) == refused
    assert paths.find(tool, ["--version"]) == Found(tool)  # what the allowed name stands for
    assert isinstance(paths.find(tool, ["-c"]), Missing)
    assert isinstance(paths.find(f"{folders[1]}/tool", ["--version"]), Missing)


@pytest.mark.parametrize(
    ("policy", "setting"),
    [
        (HostPolicy(frozenset()), "host.allowed_binaries"),
        (HostPolicy(None, frozenset({("sh", "-c", ":")})), "host.allowed_commands"),
    ],
)
def test_a_refusal_names_the_setting(policy: HostPolicy, setting: str) -> None:
    assert missing(PathIndex("/usr/bin", policy), "env") == f"not among the commands that this host allows ({setting})"
