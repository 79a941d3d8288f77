"""What version managers select is remembered, and never wrong: whatever decides it changes, and the answer follows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from version_managers import BINARIES, ManagedMachine, PyenvMachine, RustupMachine, installed_pyenv, installed_rustup
from version_managers import rewrite as rewritten

PYTHON = ("python3", "--version")
CARGO = ("cargo", "--version")
IDLE_HOOK = 'if [ ! -x "${PYENV_COMMAND_PATH}" ]; then\n  PYENV_COMMAND_PATH=/nowhere\nfi\n'


@pytest.fixture(params=["stand-in", "installed"])
def pyenv(request: pytest.FixtureRequest, tmp_path: Path) -> PyenvMachine:
    original = None
    if request.param == "installed":
        original = installed_pyenv()
        if original is None or not (original / "libexec").is_dir():
            pytest.skip("pyenv is not installed")
    return PyenvMachine(tmp_path, original)


@pytest.fixture
def rustup(tmp_path: Path) -> RustupMachine:
    original = installed_rustup()
    if original is None:
        pytest.skip("rustup is not installed")
    machine = RustupMachine(tmp_path, original)
    machine.ask_without_cache(*CARGO)  # it makes some folders the first time
    return machine


def test_shim_is_remembered_as_it_was_run(pyenv: PyenvMachine) -> None:
    known = pyenv.learn(*PYTHON)
    pyenv.agrees(*PYTHON)

    assert (known.path, known.real_path) == (str(pyenv.shim), str(pyenv.shim))


@pytest.mark.parametrize("way", ["old template", "through bin", "idle hook", "other files", "variables"])
def test_usual_installations_are_remembered(pyenv: PyenvMachine, way: str) -> None:
    if way == "old template":
        pyenv.write_shim(detour=False)
    elif way == "through bin":
        (pyenv.root / "bin").mkdir()
        (pyenv.root / "bin/pyenv").symlink_to("../libexec/pyenv")
        pyenv.write_shim(launcher="bin/pyenv")
    elif way == "idle hook":
        pyenv.hook("which", IDLE_HOOK, "plugins/some/etc/pyenv.d")
    elif way == "other files":
        pyenv.hook("rehash", "exit 1\n")
        (pyenv.root / "pyenv.d/which").mkdir(exist_ok=True)
        (pyenv.root / "pyenv.d/which/README").write_text("not a hook\n")
    else:
        pyenv.environment |= {"PYENV_ROOT": "/elsewhere", "PYENV_SHELL": "bash"}

    pyenv.learn(*PYTHON)


def edited(path: str) -> Callable[[PyenvMachine], None]:
    def change(machine: PyenvMachine) -> None:
        with (machine.root / path).open("a") as file:
            file.write("\n# another release\n")

    return change


def retarget(machine: PyenvMachine) -> None:
    machine.install("3.11.7", BINARIES[2], "python3.13")


def retarget_version(machine: PyenvMachine) -> None:
    (machine.root / "versions/3.11.7").rename(machine.root / "versions/kept")
    (machine.root / "versions/3.11.7").symlink_to("3.12.1")


def become_script(machine: PyenvMachine) -> None:
    binary = machine.root / "versions/3.11.7/bin/python3.11"
    binary.unlink()
    binary.write_text("#!/bin/sh\necho a script\n")
    binary.chmod(0o755)


def shadow(machine: PyenvMachine) -> None:
    (machine.folder / "early/bash").write_text("#!/bin/sh\necho another bash\n")
    (machine.folder / "early/bash").chmod(0o755)


def move_root(machine: PyenvMachine) -> None:
    """The same names lead to a copy in which another version is chosen."""
    shutil.copytree(machine.root, machine.folder / "copy", symlinks=True)
    (machine.folder / "copy/version").write_text("3.12.1\n")
    machine.root.rename(machine.folder / "kept")
    machine.root.symlink_to("copy")


PYENV_CHANGES: dict[str, Callable[[PyenvMachine], object]] = {
    "another version": lambda m: m.choose("3.12.1\n"),
    "two versions": lambda m: m.choose("3.12.1\n3.11.7\n"),
    "no such version": lambda m: m.choose("3.9\n"),
    "no version file": lambda m: (m.root / "version").unlink(),
    "local version": lambda m: (m.temporary / ".python-version").write_text("3.12.1\n"),
    "local version further up": lambda m: (m.folder / ".python-version").write_text("3.12.1\n"),
    "variable": lambda m: m.environment.update(PYENV_VERSION="3.12.1"),
    "binary replaced": lambda m: m.install("3.11.7", BINARIES[2]),
    "binary rewritten": lambda m: rewritten(m.root / "versions/3.11.7/bin/python3.11"),
    "binary removed": lambda m: (m.root / "versions/3.11.7/bin/python3.11").unlink(),
    "binary disabled": lambda m: (m.root / "versions/3.11.7/bin/python3.11").chmod(0o644),
    "binary becomes a script": become_script,
    "link leads elsewhere": retarget,
    "version leads elsewhere": retarget_version,
    "version removed": lambda m: shutil.rmtree(m.root / "versions/3.11.7"),
    "hook for the name": lambda m: m.hook("version-name", "PYENV_VERSION=3.12.1\n"),
    "hook for the command": lambda m: m.hook(
        "which", 'PYENV_COMMAND_PATH="$PYENV_ROOT/versions/3.12.1/bin/python3"\n', "plugins/new/etc/pyenv.d"
    ),
    "hook for running": lambda m: m.hook("exec", "echo from a hook; exit 0\n"),
    "shim edited": lambda m: m.write_shim(more="# more\n"),
    "shim replaced": lambda m: m.shim.write_text("#!/bin/sh\necho another shim\n"),
    "pyenv updated": edited("libexec/pyenv-which"),
    "pyenv's release": edited("libexec/pyenv---version"),
    "another bash": shadow,
    "root leads elsewhere": move_root,
}


@pytest.mark.parametrize("change", PYENV_CHANGES)
def test_whatever_decides_the_choice_of_pyenv_counts(pyenv: PyenvMachine, change: str) -> None:
    pyenv.learn(*PYTHON)
    PYENV_CHANGES[change](pyenv)

    assert pyenv.agrees(*PYTHON).cached_age is None
    pyenv.agrees(*PYTHON)


PYENV_DOUBTS: dict[str, Callable[[PyenvMachine], object]] = {
    name: PYENV_CHANGES[name]
    for name in (
        "two versions", "no such version", "no version file", "local version", "local version further up", "variable",
        "binary becomes a script", "hook for the name", "hook for the command", "hook for running", "shim edited",
        "another bash",
    )
} | {
    "system": lambda m: m.choose("system\n"),
    "comment": lambda m: m.choose("# mine\n3.11.7\n"),
    "unknown release": lambda m: (m.root / "libexec/pyenv---version").write_text('version="3.0.0"\n'),
    "path in the version": lambda m: m.choose("../versions/3.11.7\n"),
    "folder that is searched by name": lambda m: m.environment.update(PATH=f"bin:{m.environment['PATH']}"),
    "hook folder": lambda m: m.environment.update(PYENV_HOOK_PATH=str(m.folder)),
    "other folder": lambda m: m.environment.update(PYENV_DIR=str(m.folder)),
}  # fmt: skip


@pytest.mark.parametrize("doubt", PYENV_DOUBTS)
def test_doubtful_choices_of_pyenv_are_run_every_time(pyenv: PyenvMachine, doubt: str) -> None:
    PYENV_DOUBTS[doubt](pyenv)

    pyenv.is_never_remembered(*PYTHON)


@pytest.mark.parametrize("argv", [("python3", "-c", "1"), ("python3", "-v"), ("python3",)])
def test_other_questions_are_put_to_pyenv_every_time(pyenv: PyenvMachine, argv: tuple[str, ...]) -> None:
    pyenv.is_never_remembered(*argv)


def test_other_commands_of_pyenv_are_run_every_time(pyenv: PyenvMachine) -> None:
    shutil.copy(pyenv.shim, pyenv.shim.with_name("pip"))
    shutil.copy(BINARIES[0], pyenv.root / "versions/3.11.7/bin/pip")

    pyenv.is_never_remembered("pip", "--version")


def test_shim_in_another_folder_is_run_every_time(pyenv: PyenvMachine) -> None:
    (pyenv.folder / "early/python3").symlink_to(pyenv.shim)

    pyenv.is_never_remembered(*PYTHON)


def test_choice_that_changes_while_pyenv_works_is_not_remembered(pyenv: PyenvMachine) -> None:
    local = pyenv.folder / ".python-version"
    launcher = pyenv.root / "libexec/pyenv"
    launcher.write_text(launcher.read_text().replace("set -e\n", f'set -e\necho 3.12.1 > "{local}"\n', 1))
    assert pyenv.ask(*PYTHON).exit_code == 0
    local.unlink()

    assert pyenv.ask(*PYTHON).cached_age is None


def test_working_folder_that_leads_elsewhere_counts(pyenv: PyenvMachine) -> None:
    for name in ("here", "there"):
        (pyenv.folder / name / "where").mkdir(parents=True)
    (pyenv.folder / "there/.python-version").write_text("3.12.1\n")
    link = pyenv.folder / "link"
    link.symlink_to("here")
    pyenv.environment["TMPDIR"] = f"{link}/where"
    before = pyenv.learn(*PYTHON)
    link.unlink()
    link.symlink_to("there")

    assert pyenv.agrees(*PYTHON).stdout != before.stdout


def test_failure_of_a_shim_is_not_remembered(pyenv: PyenvMachine) -> None:
    pyenv.install("3.11.7", os.path.realpath(shutil.which("false") or "false"))

    pyenv.is_never_remembered(*PYTHON)


RUSTUP_CHANGES: dict[str, Callable[[RustupMachine], object]] = {
    "another toolchain": lambda m: m.choose(f"nightly-{m.triple}"),
    "short name": lambda m: m.choose("nightly"),
    "override": lambda m: m.choose(f"stable-{m.triple}", f'[overrides]\n"{m.folder}" = "nightly-{m.triple}"\n'),
    "unknown setting": lambda m: m.choose(f"stable-{m.triple}", "surprise = 1\n"),
    "variable": lambda m: m.environment.update(RUSTUP_TOOLCHAIN="nightly"),
    "toolchain file": lambda m: (m.temporary / "rust-toolchain").write_text("nightly\n"),
    "toolchain file further up": lambda m: (m.folder / "rust-toolchain.toml").write_text(
        '[toolchain]\nchannel = "nightly"\n'
    ),
    "cargo's configuration": lambda m: (m.folder / "cargo-home/config.toml").write_text("damaged ="),
    "binary replaced": lambda m: m.install("stable", BINARIES[2], "cargo"),
    "binary rewritten": lambda m: rewritten(m.home / f"toolchains/stable-{m.triple}/bin/cargo"),
    "binary removed": lambda m: (m.home / f"toolchains/stable-{m.triple}/bin/cargo").unlink(),
    "library added": lambda m: (m.home / f"toolchains/stable-{m.triple}/lib/libc.so.6").write_text("damaged"),
    "rustup updated": lambda m: (m.folder / "bin/rustup").touch(),
    "another home": lambda m: m.environment.update(RUSTUP_HOME=f"{m.folder}/rustup-home/../rustup-home"),
}


@pytest.mark.parametrize("change", RUSTUP_CHANGES)
def test_whatever_decides_the_choice_of_rustup_counts(rustup: RustupMachine, change: str) -> None:
    rustup.learn(*CARGO)
    RUSTUP_CHANGES[change](rustup)

    assert rustup.agrees(*CARGO).cached_age is None
    rustup.agrees(*CARGO)


@pytest.mark.parametrize(
    "doubt",
    ["short name", "override", "unknown setting", "variable", "toolchain file",
     "toolchain file further up", "cargo's configuration", "library added"],
)  # fmt: skip
def test_doubtful_choices_of_rustup_are_run_every_time(rustup: RustupMachine, doubt: str) -> None:
    RUSTUP_CHANGES[doubt](rustup)

    rustup.is_never_remembered(*CARGO)


def test_each_proxy_has_its_own_answer(rustup: RustupMachine) -> None:
    rustup.install("stable", BINARIES[2], "rustc")

    assert rustup.learn(*CARGO).stdout != rustup.learn("rustc", "--version").stdout


@pytest.mark.parametrize(("program", "manager"), [("python3", "pyenv"), ("cargo", "rustup"), ("rustc", "rustup")])
def test_this_machines_own_versions_are_right(tmp_path: Path, program: str, manager: str) -> None:
    if shutil.which(program) is None or shutil.which(manager) is None:
        pytest.skip(f"{program} of {manager} is not installed")
    machine = ManagedMachine(tmp_path)
    names = ("PATH", "HOME", "PYENV_ROOT", "RUSTUP_HOME", "CARGO_HOME")
    machine.environment |= {name: os.environ[name] for name in names if name in os.environ}

    machine.agrees(program, "--version")
    machine.agrees(program, "--version")
