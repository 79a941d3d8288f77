"""Remembered outcomes are never wrong: whatever an answer depends on is swapped, and the new answer comes at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.probing.assemble import HostOptions, assemble
from attune.host.probing.cache_file import CacheFile, Entry
from attune.host.probing.concurrency import Expectation
from host_checks import SYSTEM_PATH, command, run_all, script

AHEAD = 10.0  # seconds; files made by a test are too young to be trusted otherwise
VERSION_ONE, VERSION_TWO = (os.path.realpath(shutil.which(name) or name) for name in ("true", "false"))


class Machine:
    """A folder on PATH, a cache, and what asking for a version there comes to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.early = folder / "early"
        for place in (self.bin, self.early):
            place.mkdir()
        self.environment = {"PATH": f"{self.early}:{self.bin}:{SYSTEM_PATH}", "HOME": str(folder)}
        self.clock: Callable[[], float] = lambda: time.time() + AHEAD

    def install(self, source: str, name: str = "tool", where: Path | None = None) -> Path:
        """Put a copy of *source* in place the way package managers do: under another name first."""
        target = (where or self.bin) / name
        temporary = target.with_name(f".{name}")
        shutil.copy(source, temporary)
        temporary.rename(target)
        return target

    def ask(self, *argv: str, fresh: bool = False) -> Outcome:
        options = HostOptions(cache_folder=str(self.folder / "cache"), fresh=fresh)
        checks = assemble(self.environment, options, clock=self.clock)
        return run_all(checks.runner, {"a": command(*(argv or ("tool", "--version")))})["a"]

    def learn(self, *argv: str) -> Outcome:
        """Ask twice, so that the second answer comes from the cache."""
        first = self.ask(*argv)
        second = self.ask(*argv)
        assert first.cached_age is None
        assert second.cached_age is not None
        assert second.stdout == first.stdout
        return second


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_native_binary_is_not_run_again(machine: Machine) -> None:
    machine.install(VERSION_ONE)
    first = machine.ask()
    machine.clock = lambda: time.time() + AHEAD + 60

    again = machine.ask()

    assert again.cached_age == pytest.approx(60, abs=20)
    assert (again.stdout, again.exit_code, again.at) == (first.stdout, 0, first.at)
    assert again.duration_ms == first.duration_ms
    assert (again.path, again.real_path) == (first.path, first.real_path)


def test_fresh_runs_again_and_remembers(machine: Machine) -> None:
    machine.install(VERSION_ONE)
    machine.learn()

    assert machine.ask(fresh=True).cached_age is None
    assert machine.ask().cached_age is not None


def test_replaced_binary_is_run(machine: Machine) -> None:
    machine.install(VERSION_ONE)
    before = machine.learn()
    machine.install(VERSION_TWO)

    after = machine.ask()

    assert after.cached_age is None
    assert after.stdout != before.stdout


def test_binary_rewritten_in_place_with_same_size_and_time_is_run(machine: Machine) -> None:
    tool = machine.install(VERSION_ONE)
    machine.learn()
    status = tool.stat()
    with tool.open("r+b") as file:
        content = file.read().replace(b"coreutils", b"coreUTILS")
        file.seek(0)
        file.write(content)
    os.utime(tool, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (tool.stat().st_size, tool.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)

    assert machine.ask().cached_age is None


def test_link_that_leads_elsewhere_is_followed(machine: Machine) -> None:
    one = machine.install(VERSION_ONE, "tool-1")
    two = machine.install(VERSION_TWO, "tool-2")
    link = machine.bin / "tool"
    link.symlink_to(one)
    before = machine.learn()
    link.unlink()
    link.symlink_to(two)

    after = machine.ask()

    assert (after.cached_age, after.real_path) == (None, str(two))
    assert after.stdout != before.stdout
    link.unlink()
    link.symlink_to(one)
    assert machine.ask().stdout == before.stdout


def test_linked_folder_that_leads_elsewhere_is_followed(machine: Machine) -> None:
    for number, source in enumerate((VERSION_ONE, VERSION_TWO), 1):
        (machine.folder / f"opt-{number}").mkdir()
        machine.install(source, where=machine.folder / f"opt-{number}")
    current = machine.folder / "current"
    current.symlink_to("opt-1")
    machine.environment["PATH"] = f"{current}:{SYSTEM_PATH}"
    before = machine.learn()
    current.unlink()
    current.symlink_to("opt-2")

    assert machine.ask().stdout != before.stdout


def test_binary_that_appears_earlier_on_the_path_wins(machine: Machine) -> None:
    machine.install(VERSION_ONE)
    before = machine.learn()
    machine.install(VERSION_TWO, where=machine.early)

    assert machine.ask().stdout != before.stdout


def test_changed_order_of_the_path_counts(machine: Machine) -> None:
    machine.install(VERSION_ONE)
    machine.install(VERSION_TWO, where=machine.early)
    before = machine.learn()
    machine.environment["PATH"] = f"{machine.bin}:{machine.early}"

    assert machine.ask().stdout != before.stdout


def test_removed_and_disabled_binaries_are_gone(machine: Machine) -> None:
    tool = machine.install(VERSION_ONE)
    machine.learn()
    tool.chmod(0o644)
    assert machine.ask().ending is Ending.NOT_FOUND
    tool.unlink()
    assert machine.ask().ending is Ending.NOT_FOUND


@pytest.mark.parametrize("name", ["JAVA_HOME", "LD_LIBRARY_PATH", "PYENV_VERSION"])
def test_changed_environment_is_another_question(machine: Machine, name: str) -> None:
    machine.install(VERSION_ONE)
    machine.learn()
    machine.environment[name] = "/elsewhere"

    assert machine.ask().cached_age is None


def test_other_arguments_are_another_question(machine: Machine) -> None:
    machine.install(VERSION_ONE)
    machine.learn()

    assert machine.ask("tool", "-V").cached_age is None


def test_shim_is_run_every_time(machine: Machine) -> None:
    selected = machine.folder / "selected"
    script(machine.bin, "tool", f'read version < "{selected}"; echo "tool $version"')
    for version in ("1.0", "2.0", "1.0"):
        selected.write_text(f"{version}\n")
        outcome = machine.ask()
        assert (outcome.stdout, outcome.cached_age) == (f"tool {version}\n", None)


def test_selectors_are_run_every_time(machine: Machine) -> None:
    rustup = machine.install(VERSION_ONE, "rustup")
    (machine.bin / "cargo").symlink_to(rustup)
    machine.install(VERSION_ONE, "rustc")  # a copy beside it
    machine.install(VERSION_TWO, "one-name")
    os.link(machine.bin / "one-name", machine.bin / "other")
    shims = machine.folder / "shims"
    shims.mkdir()
    machine.install(VERSION_TWO, "ruby", where=shims)
    machine.install(VERSION_TWO, "dotnet")
    machine.environment["PATH"] += f":{shims}"

    for name in ("cargo", "rustup", "rustc", "one-name", "other", "ruby", "dotnet"):
        for _ in range(2):
            outcome = machine.ask(name, "--version")
            assert (name, outcome.ending, outcome.cached_age) == (name, Ending.EXITED, None)


def test_names_of_one_program_are_no_selector(machine: Machine) -> None:
    machine.install(VERSION_ONE, "tool5.36.0")
    os.link(machine.bin / "tool5.36.0", machine.bin / "tool")

    machine.learn()


@pytest.mark.parametrize("arguments", [(), ("info",), ("version",), ("-c", "--version"), ("--version", "--all")])
def test_questions_about_more_than_the_version_are_asked_every_time(
    machine: Machine, arguments: tuple[str, ...]
) -> None:
    machine.install(VERSION_ONE)
    for _ in range(2):
        assert machine.ask("tool", *arguments).cached_age is None


def test_file_that_has_just_changed_is_not_trusted_yet(machine: Machine) -> None:
    machine.clock = time.time
    machine.install(VERSION_ONE)
    for _ in range(2):
        assert machine.ask().cached_age is None


def test_forbidden_binary_is_refused_though_remembered(machine: Machine) -> None:
    from attune.host.policy import HostPolicy

    machine.install(VERSION_ONE)
    machine.learn()
    options = HostOptions(HostPolicy(allowed_binaries=frozenset()), cache_folder=str(machine.folder / "cache"))
    checks = assemble(machine.environment, options, clock=machine.clock)

    assert run_all(checks.runner, {"a": command("tool", "--version")})["a"].ending is Ending.REFUSED


def test_line_of_remembered_and_unknown_commands_goes_through_all(machine: Machine) -> None:
    machine.install(VERSION_ONE)
    machine.learn()
    seen: list[tuple[str, bool]] = []
    order = {"no-such": command("tool", "--version"), "tool": command("sh", "-c", "echo hi"), "sh": None}

    def then(key: str, done: Command, outcome: Outcome) -> Command | None:
        seen.append((done.argv[0], outcome.cached_age is not None))
        return order[done.argv[0]]

    options = HostOptions(cache_folder=str(machine.folder / "cache"))
    assemble(machine.environment, options, clock=machine.clock).runner.run({"a": command("no-such")}, then)

    assert seen == [("no-such", False), ("tool", True), ("sh", False)]


@pytest.mark.parametrize("damage", ["text", "list", "format", "entry", "nested", "shared", "folder", "link"])
def test_damaged_cache_reads_as_empty_and_is_replaced(machine: Machine, damage: str, tmp_path: Path) -> None:
    machine.install(VERSION_ONE)
    machine.learn()
    file = machine.folder / "cache" / "outcomes.json"
    good = json.loads(file.read_text())
    if damage == "shared":
        file.chmod(0o666)
    elif damage == "folder":
        file.unlink()
        file.mkdir()
    elif damage == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        broken = {key: {"stdout": 3} for key in good["outcomes"]}
        texts = {
            "text": '{"format":1,"outc',
            "list": "[1, 2]",
            "format": json.dumps(good | {"format": 99}),
            "entry": json.dumps(good | {"outcomes": broken}),
            "nested": "[" * 100_000,
        }
        file.write_text(texts[damage])

    assert machine.ask().cached_age is None
    if damage != "folder":
        assert machine.ask().cached_age is not None
        assert file.stat().st_mode & 0o777 == 0o600


def test_folder_that_cannot_be_written_hinders_nothing(machine: Machine) -> None:
    machine.install(VERSION_ONE)
    (machine.folder / "cache").write_text("a file in the way")

    assert machine.ask().exit_code == 0


def test_many_writers_leave_a_sound_file(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for n in range(20):
            CacheFile(str(tmp_path)).write({f"{number}-{n}": entry(at=n)}, {f"{number}-{n}": Expectation(1, 1)})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(CacheFile(str(tmp_path)).read().outcomes) == 80
    assert [place.name for place in tmp_path.iterdir()] == ["outcomes.json"]


def test_oldest_outcomes_give_way(tmp_path: Path) -> None:
    CacheFile(str(tmp_path)).write({str(n): entry(at=n) for n in range(1000)}, {})

    kept = CacheFile(str(tmp_path)).read().outcomes

    assert len(kept) == 512
    assert "999" in kept
    assert "0" not in kept


def test_costs_are_remembered_for_what_is_run_every_time(machine: Machine) -> None:
    started: list[str] = []

    class Diary:
        def started(self, key: str, done: Command) -> None:
            started.append(key)

        def finished(self, key: str, done: Command, outcome: Outcome) -> None:
            pass

    work = "i=0; while [ $i -lt {} ]; do i=$((i+1)); done"
    lines = {
        "short": command("sh", "-c", work.format(1000)),
        "long": command("sh", "-c", work.format(200_000)),
        "waits": command("sleep", "0.3"),
    }
    for _ in range(2):
        started.clear()
        options = HostOptions(cache_folder=str(machine.folder / "cache"), fresh=True)
        run_all(assemble(machine.environment, options).runner, lines, observer=Diary())

    assert started == ["waits", "long", "short"]


def entry(at: float) -> Entry:
    return Entry("/p", "/r", ("/r",), "d", 0, "out", "err", 1.0, at)


needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def build(machine: Machine, *arguments: str, source: str) -> None:
    subprocess.run(
        ["gcc", "-x", "c", "-", *arguments],
        input=source,
        text=True,
        check=True,
        cwd=machine.folder,
        capture_output=True,
    )


@needs_compiler
@pytest.mark.parametrize("how", ["runpath", "earlier in runpath", "library path"])
def test_changed_library_is_another_answer(machine: Machine, how: str) -> None:
    for number in (1, 2):
        folder = machine.folder / f"lib{number}"
        folder.mkdir()
        source = f'const char *answer(void) {{ return "answer {number}"; }}'
        build(machine, "-shared", "-fPIC", "-o", f"{folder}/libanswer.so", source=source)
    used, early = machine.folder / "lib", machine.folder / "early-lib"
    used.mkdir()
    early.mkdir()
    shutil.copy(machine.folder / "lib1/libanswer.so", used)
    main = "#include <stdio.h>\nconst char *answer(void); int main() { puts(answer()); }"
    flags = ["-Wl,-rpath,$ORIGIN/../early-lib:$ORIGIN/../lib"]
    if how == "library path":
        flags = []
        machine.environment["LD_LIBRARY_PATH"] = f"{early}:{used}"
    build(machine, "-o", "bin/tool", "-Llib1", *flags, "-lanswer", source=main)

    assert machine.learn().stdout == "answer 1\n"
    shutil.copy(machine.folder / "lib2/libanswer.so", used if how == "runpath" else early)
    assert machine.ask().stdout == "answer 2\n"


@needs_compiler
@pytest.mark.parametrize("name", ["tool", "tool-1.0"])
def test_binary_that_becomes_another_program_is_run_every_time(machine: Machine, name: str) -> None:
    selected = machine.folder / "selected"
    selected.mkdir()
    source = f'#include <unistd.h>\nint main() {{ execl("{selected}/{name}", "tool", (char *)0); return 1; }}'
    build(machine, "-o", "bin/tool", source=source)
    for version in ("1", "2", "1"):
        lasting = '#include <stdio.h>\n#include <unistd.h>\nint main() {{ puts("{}"); fflush(stdout); {} }}'
        pause = "usleep(300000);" if name == "tool" else ""
        build(machine, "-o", f"selected/{name}", source=lasting.format(version, pause))
        outcome = machine.ask()
        assert (outcome.stdout, outcome.cached_age) == (f"{version}\n", None)


@needs_compiler
def test_binary_that_asks_another_program_is_run_every_time(machine: Machine) -> None:
    (machine.folder / "version").write_text("1\n")
    source = f'#include <stdlib.h>\nint main() {{ return system("cat {machine.folder}/version") != 0; }}'
    build(machine, "-o", "bin/tool", source=source)
    for version in ("1", "2"):
        (machine.folder / "version").write_text(f"{version}\n")
        outcome = machine.ask()
        assert (outcome.stdout, outcome.cached_age) == (f"{version}\n", None)
