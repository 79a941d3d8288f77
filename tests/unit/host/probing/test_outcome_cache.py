"""What a kept outcome hangs on: each part of its key, its age, its host, and a folder that only we can write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.probing.outcome_cache import CacheSurroundings, HostIdentity, HostOutcomeCache, host_identity
from attune.host.probing.path_index import PathIndex

DAY = 86_400.0
NATIVE = b"\x7fELF and the rest"
VERSION = Command(("tool", "--version"))


class Machine:
    """A folder with a native binary, and a cache that can be asked as another process would ask it."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.cache = folder / "opt" / "bin", folder / "cache"
        self.bin.mkdir(parents=True)
        self.current = folder / "current"
        self.current.symlink_to("opt")
        self.now = 1000.0
        self.loader_cache = folder / "ld.so.cache"
        self.loader_cache.write_text("libraries")
        host = HostIdentity("a1b2", "6.1.0", os.geteuid())
        self.surroundings = CacheSurroundings({"HOME": "/root"}, host, lambda: self.now, str(self.loader_cache))
        self.warnings: list[str] = []
        self.install("tool")

    def install(self, name: str, content: bytes = NATIVE) -> Path:
        (self.bin / name).write_bytes(content)
        (self.bin / name).chmod(0o755)
        return self.bin / name

    def opened(self) -> HostOutcomeCache:
        paths = PathIndex(f"{self.current}/bin")
        return HostOutcomeCache(str(self.cache), paths, self.surroundings, self.warnings.append)

    def keep(self, command: Command = VERSION, **changes: object) -> None:
        cache = self.opened()
        assert cache.lookup(command, 0) is None
        outcome = Outcome(Ending.EXITED, exit_code=0, stdout="tool 1.2\n", duration_ms=7.0, at=self.now)
        cache.remember({command: replace(outcome, **changes)})  # type: ignore[arg-type]

    def known(self, command: Command = VERSION, max_age: float = DAY) -> Outcome | None:
        return self.opened().lookup(command, max_age)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_success_is_known_with_its_age(machine: Machine) -> None:
    machine.keep()
    machine.now += 60

    outcome = machine.known()

    assert outcome is not None
    assert (outcome.stdout, outcome.exit_code, outcome.duration_ms) == ("tool 1.2\n", 0, 7.0)
    assert (outcome.path, outcome.real_path) == (f"{machine.current}/bin/tool", f"{machine.bin}/tool")
    assert (outcome.at, outcome.cached_age) == (1000.0, 60.0)


def test_cached_success_expires_after_a_day_or_sooner_if_asked(machine: Machine) -> None:
    machine.keep()
    machine.now += 600

    assert machine.known(max_age=601) is not None
    assert machine.known(max_age=600) is None
    assert machine.known(max_age=0) is None
    machine.now = 1000 + DAY
    assert machine.known(max_age=10 * DAY) is None
    machine.now = 999  # the clock was set back
    assert machine.known() is None


def rewrite_in_place(machine: Machine) -> None:
    before = (machine.bin / "tool").stat()
    (machine.bin / "tool").write_bytes(NATIVE.swapcase())
    os.utime(machine.bin / "tool", ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_link(machine: Machine) -> None:
    """The same text, the same target: only the link itself is another."""
    (machine.bin / "link").symlink_to("tool-1")
    (machine.bin / "link").rename(machine.bin / "tool")


def move_folder(machine: Machine) -> None:
    """The same file and the same names on the way: only its real path is another."""
    machine.bin.parent.rename(machine.bin.parent.with_name("opt-2"))
    machine.current.unlink()
    machine.current.symlink_to("opt-2")


def with_host(**changes: object) -> Callable[[Machine], None]:
    def change(machine: Machine) -> None:
        host = replace(machine.surroundings.host, **changes)  # type: ignore[arg-type]
        machine.surroundings = replace(machine.surroundings, host=host)

    return change


def other_environment(machine: Machine) -> None:
    machine.surroundings = replace(machine.surroundings, environment={"HOME": "/root", "JAVA_HOME": "/opt/java"})


CHANGES: dict[str, Callable[[Machine], object]] = {
    "environment": other_environment,
    "resolved path": move_folder,
    "file replaced": lambda m: (m.install("new"), (m.bin / "new").rename(m.bin / "tool")),
    "file rewritten with its old size and time": rewrite_in_place,
    "loader cache": lambda m: m.loader_cache.write_text("other libraries"),
    "host id": with_host(machine_id="c3d4"),
    "kernel": with_host(kernel="6.1.1"),
    "user": with_host(user=os.geteuid() + 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_part_of_the_key_counts(machine: Machine, change: str) -> None:
    machine.keep()
    assert machine.known() is not None
    CHANGES[change](machine)

    assert machine.known() is None


def test_the_command_is_part_of_the_key(machine: Machine) -> None:
    machine.keep()

    assert machine.known(Command(("tool", "-V"))) is None
    assert machine.known(Command(("tool", "--version"), timeout_seconds=1.0)) is not None


def test_every_link_on_the_way_is_part_of_the_key(machine: Machine) -> None:
    (machine.bin / "tool").rename(machine.bin / "tool-1")
    (machine.bin / "tool").symlink_to("tool-1")
    machine.keep()
    assert machine.known() is not None
    replace_link(machine)

    assert machine.known() is None


def test_file_that_changed_while_it_ran_is_not_kept(machine: Machine) -> None:
    cache = machine.opened()
    cache.lookup(VERSION, 0)
    rewrite_in_place(machine)
    cache.remember({VERSION: Outcome(Ending.EXITED, exit_code=0, at=machine.now)})

    assert machine.known() is None


@pytest.mark.parametrize(
    "changes",
    [{"ending": Ending.TIMED_OUT}, {"ending": Ending.UNDECIDED}, {"truncated": True}, {"stdout": "x" * 9000}],
)
def test_only_what_came_to_a_short_end_is_kept(machine: Machine, changes: dict[str, object]) -> None:
    machine.keep(**changes)

    assert machine.known() is None


@pytest.mark.parametrize("how", ["script", "short file", "link to a manager", "hard link", "selector in a chain"])
def test_scripts_and_links_to_version_managers_are_not_kept(machine: Machine, how: str) -> None:
    if how == "script":
        machine.install("tool", b"#!/bin/sh\necho 1\n")
    elif how == "short file":
        machine.install("tool", b"\x7fE")
    elif how == "hard link":
        (machine.bin / "other").hardlink_to(machine.bin / "tool")
    else:
        (machine.bin / "tool").rename(machine.bin / "rustup")
        (machine.bin / "tool").symlink_to("rustup" if how.startswith("link") else "tool-2")
        (machine.bin / "tool-2").symlink_to("rustup")
    machine.keep()

    assert machine.known() is None


@pytest.mark.parametrize("target", ["tool3.11", "x86_64-linux-gnu-tool-12"])
def test_link_to_a_release_of_the_same_program_is_kept(machine: Machine, target: str) -> None:
    (machine.bin / "tool").rename(machine.bin / target)
    (machine.bin / "tool").symlink_to(target)
    machine.keep()

    assert machine.known() is not None


def test_other_host_drops_the_cache_as_a_whole(machine: Machine) -> None:
    machine.keep()
    with_host(kernel="6.1.1")(machine)
    machine.keep(Command(("tool", "-V")))
    with_host(kernel="6.1.0")(machine)

    assert machine.known() is None


def test_outcomes_of_several_processes_add_up(machine: Machine) -> None:
    machine.keep()
    machine.keep(Command(("tool", "-V")))

    assert machine.known() is not None
    assert machine.known(Command(("tool", "-V"))) is not None


def test_oldest_outcomes_give_way(machine: Machine) -> None:
    machine.keep()
    file = machine.cache / "outcomes.json"
    document = json.loads(file.read_text())
    document["outcomes"] |= {str(n): {"at": 1100.0 + n, "outcome": [0, "", "", 1.0]} for n in range(511)}
    file.write_text(json.dumps(document))
    machine.now += 5000
    machine.keep(Command(("tool", "last")))

    assert len(json.loads(file.read_text())["outcomes"]) == 512
    assert machine.known() is None
    assert machine.known(Command(("tool", "last"))) is not None


@pytest.mark.parametrize("content", ["", "[1]", "{}", "[" * 100_000, '{"outcomes": 3}', "entries", "numbers"])
def test_damaged_file_reads_as_empty_and_is_replaced(machine: Machine, content: str) -> None:
    machine.keep()
    file = machine.cache / "outcomes.json"
    document = json.loads(file.read_text())
    if content in ("entries", "numbers"):
        broken = 3 if content == "entries" else {"at": 1000.0, "outcome": ["a"]}
        content = json.dumps(document | {"outcomes": dict.fromkeys(document["outcomes"], broken)})
    file.write_text(content)

    assert machine.known() is None
    machine.keep()
    assert machine.known() is not None
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in machine.cache.iterdir()] == ["outcomes.json"]


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o755])
def test_folder_that_others_may_enter_is_not_used(machine: Machine, mode: int) -> None:
    machine.keep()
    machine.cache.chmod(mode)
    cache = machine.opened()

    assert cache.lookup(VERSION, DAY) is None
    assert cache.lookup(VERSION, DAY) is None
    got = f"mode {mode:04o} of user {os.geteuid()}"
    expected = f"cache folder {machine.cache}: expected mode 0700 and our own, got {got}: it is not used"
    assert machine.warnings == [expected]
    assert machine.cache.stat().st_mode & 0o777 == mode


def test_folder_of_somebody_else_is_not_used(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.keep()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)

    assert machine.known() is None
    assert len(machine.warnings) == 1


@pytest.mark.parametrize("obstacle", ["file", "link", "linked file"])
def test_obstacles_hinder_nothing(machine: Machine, obstacle: str, tmp_path: Path) -> None:
    if obstacle == "file":
        machine.cache.write_text("in the way")
    elif obstacle == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        machine.cache.symlink_to(tmp_path / "elsewhere")
    else:
        machine.keep()
        (machine.cache / "outcomes.json").rename(tmp_path / "elsewhere.json")
        (machine.cache / "outcomes.json").symlink_to(tmp_path / "elsewhere.json")
        assert machine.known() is None
        return
    machine.keep()

    assert machine.known() is None


def test_folder_is_made_for_us_alone(machine: Machine) -> None:
    machine.keep()

    assert machine.cache.stat().st_mode & 0o777 == 0o700


def test_host_identity_is_read_from_the_machine(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("0123abcd\n")

    assert host_identity(tmp_path) == HostIdentity("0123abcd", os.uname().release, os.geteuid())
    assert host_identity(tmp_path / "nowhere").machine_id == ""
