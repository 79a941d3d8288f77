"""The cache beside real programs: what may be kept is not run again, what chooses anew each time always is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from attune.core.runtimes.verdict import Status, Verdict
from attune.host.contract.policy import HostPolicy
from attune.host.probing.assemble import HostOptions, assemble
from attune.operations.runtimes.examine import Examiner
from factories import command, make_definition
from host_checks import SYSTEM_PATH, script

HOUR = 3600.0
PROGRAM, OTHER = (os.path.realpath(shutil.which(name) or name) for name in ("true", "false"))


class Machine:
    """A folder on PATH, a cache, and what examining a runtime there comes to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.early = folder, folder / "bin", folder / "early"
        for place in (self.bin, self.early):
            place.mkdir()
        self.environment = {"PATH": f"{self.early}:{self.bin}:{SYSTEM_PATH}", "HOME": str(folder)}
        self.policy = HostPolicy()

    def install(self, source: str, name: str = "tool", where: Path | None = None) -> Path:
        """Put a copy of *source* in place the way package managers do: under another name first."""
        target = (where or self.bin) / name
        shutil.copy(source, target.with_name(f".{name}"))
        target.with_name(f".{name}").rename(target)
        return target

    def examine(self, name: str = "tool", *, args: tuple[str, ...] = ("--version",), max_age: float = HOUR) -> Verdict:
        """What a new process would find."""
        checks = assemble(self.environment, HostOptions(self.policy, cache_folder=str(self.folder / "cache")))
        definition = make_definition(command(binary=name, args=list(args), pattern=None))
        examiner = Examiner(checks.runner, checks.paths, checks.cache)
        return examiner.examine([definition], max_age_seconds=max_age)[0]

    def output(self, name: str = "tool") -> str:
        evidence = self.examine(name).evidence
        return evidence.output if evidence else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_native_binary_is_not_run_again_unless_asked(machine: Machine) -> None:
    machine.install(PROGRAM)
    first, again, asked = machine.examine(), machine.examine(), machine.examine(max_age=0)

    assert (first.is_cached, again.is_cached, asked.is_cached) == (False, True, False)
    assert (again.status, again.instances) == (first.status, first.instances)
    assert again.evidence is not None and first.evidence is not None
    assert (again.evidence.output, again.evidence.at) == (first.evidence.output, first.evidence.at)


CHANGES: dict[str, Callable[[Machine], object]] = {
    "replaced": lambda m: m.install("/bin/cat"),
    "another earlier on PATH": lambda m: m.install("/bin/cat", where=m.early),
    "another order of PATH": lambda m: (
        m.install("/bin/cat", where=m.folder),
        m.environment.update(PATH=f"{m.folder}:{m.environment['PATH']}"),
    ),
    "a script now": lambda m: script(m.early, "tool", "echo cat"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_file_is_another_answer(machine: Machine, change: str) -> None:
    machine.install(PROGRAM)
    before = machine.output()
    CHANGES[change](machine)

    assert "cat" in machine.output()
    assert "cat" not in before


def test_removed_and_disabled_files_are_gone(machine: Machine) -> None:
    tool = machine.install(PROGRAM)
    assert machine.examine().status is Status.AVAILABLE
    tool.chmod(0o644)
    assert machine.examine().status is Status.UNAVAILABLE
    tool.unlink()
    assert machine.examine().status is Status.UNAVAILABLE


def test_forbidden_binary_is_refused_though_cached(machine: Machine) -> None:
    machine.install(PROGRAM)
    machine.examine()
    machine.policy = HostPolicy(allowed_binaries=frozenset())

    assert machine.examine().status is Status.UNAVAILABLE


def test_failure_is_run_again(machine: Machine) -> None:
    machine.install(OTHER)

    assert [machine.examine(args=()).is_cached for _ in range(2)] == [False, False]


def test_version_managers_are_followed_at_once(machine: Machine) -> None:
    """As a shim that is a script, as a link to a native manager, and as a hard link to one."""
    chosen = machine.folder / "chosen"
    script(machine.bin, "python3", f'read version < "{chosen}"; echo "Python $version"')
    manager = machine.install("/bin/sh", "manager")
    (machine.bin / "cargo").symlink_to(manager)
    (machine.bin / "node").hardlink_to(manager)
    for version in ("3.11.7", "3.12.1", "3.11.7"):
        chosen.write_text(f"{version}\n")
        assert machine.output("python3") == f"Python {version}"
        for name in ("cargo", "node"):
            verdict = machine.examine(name, args=("-c", f"echo {name}"))
            assert (verdict.status, verdict.is_cached) == (Status.AVAILABLE, False)


def test_what_the_key_does_not_cover_is_right_after_it_was_verified(machine: Machine) -> None:
    """A program that opens a file of its own, as a virtual machine does with its library."""
    library = machine.folder / "libjvm.so"
    library.write_text("17.0.2\n")
    machine.install("/bin/cat", "java")
    for _ in range(2):
        cached = machine.examine("java", args=(str(library),))
    library.unlink()

    assert cached.is_cached
    assert machine.examine("java", args=(str(library),)).is_cached
    assert machine.examine("java", args=(str(library),), max_age=0).status is Status.UNAVAILABLE


def test_folder_that_cannot_be_made_hinders_nothing(machine: Machine) -> None:
    machine.install(PROGRAM)
    (machine.folder / "cache").write_text("a file in the way")

    assert [machine.examine().status for _ in range(2)] == [Status.AVAILABLE] * 2


@pytest.mark.parametrize(("program", "manager"), [("python3", "pyenv"), ("cargo", "rustup"), ("rustc", "rustup")])
def test_this_machines_own_versions_are_right(tmp_path: Path, program: str, manager: str) -> None:
    if shutil.which(program) is None or shutil.which(manager) is None:
        pytest.skip(f"{program} of {manager} is not installed")
    machine = Machine(tmp_path)
    names = ("PATH", "HOME", "PYENV_ROOT", "RUSTUP_HOME", "CARGO_HOME")
    machine.environment |= {name: os.environ[name] for name in names if name in os.environ}
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, cwd=tmp_path).stdout.strip()

    assert [machine.output(program) for _ in range(2)] == [printed] * 2
