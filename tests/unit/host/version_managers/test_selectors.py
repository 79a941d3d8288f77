from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from attune.host.version_managers.selectors import select
from attune.host.version_managers.selectors_trail import Selection
from version_managers import PyenvMachine

TRIPLE = f"{os.uname().machine}-unknown-linux-gnu"
SETTINGS = 'version = "12"\ndefault_toolchain = "{}"\nprofile = "default"\n{}'


class Rust:
    """The files of rustup; nothing here is ever run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for place in ("bin", "temporary", ".cargo", f".rustup/toolchains/stable-{TRIPLE}/bin"):
            (folder / place).mkdir(parents=True)
        self.target = folder / f".rustup/toolchains/stable-{TRIPLE}/bin/cargo"
        for file in (folder / "bin/rustup", self.target):
            file.touch(0o755)
        (folder / "bin/cargo").symlink_to("rustup")
        (folder / "bin/rustfmt").symlink_to("rustup")
        self.settings(f"stable-{TRIPLE}")
        self.environment = {"HOME": str(folder), "TMPDIR": str(folder / "temporary"), "PATH": "/usr/bin:/bin"}

    def settings(self, toolchain: str, more: str = "[overrides]\n") -> None:
        (self.folder / ".rustup/settings.toml").write_text(SETTINGS.format(toolchain, more))

    def select(self, name: str = "cargo") -> Selection | None:
        return select(f"{self.folder}/bin/{name}", self.environment)


@pytest.fixture
def rust(tmp_path: Path) -> Rust:
    return Rust(tmp_path)


def test_default_toolchain_is_selected(rust: Rust) -> None:
    selection = rust.select()

    assert selection is not None
    assert selection.target == str(rust.target)
    assert selection.libraries == (f"{rust.folder}/.rustup/toolchains/stable-{TRIPLE}/lib",)
    assert selection.binaries == (f"{rust.folder}/bin/rustup",)
    for name in ("rust-toolchain", "rust-toolchain.toml", ".cargo/config.toml"):
        assert {f"{rust.folder}/temporary/{name}", f"{rust.folder}/{name}", f"/{name}"} <= set(selection.files)
    assert {f"{rust.folder}/.rustup/settings.toml", "/etc/rustup/settings.toml"} <= set(selection.files)


def moved(rust: Rust) -> None:
    (rust.folder / ".rustup").rename(rust.folder / "elsewhere")
    rust.environment["RUSTUP_HOME"] = str(rust.folder / "elsewhere")


def test_another_home_is_followed(rust: Rust) -> None:
    moved(rust)
    selection = rust.select()

    assert selection is not None
    assert selection.target.startswith(f"{rust.folder}/elsewhere/")


DOUBTS: dict[str, Callable[[Rust], object]] = {
    "not installed": lambda rust: rust.settings(f"1.2.3-{TRIPLE}"),
    "short name": lambda rust: rust.settings("stable"),
    "own name": lambda rust: rust.settings("mine"),
    "path": lambda rust: rust.settings(f"../toolchains/stable-{TRIPLE}"),
    "overrides": lambda rust: rust.settings(f"stable-{TRIPLE}", '[overrides]\n"/" = "nightly"\n'),
    "damaged": lambda rust: rust.settings(f"stable-{TRIPLE}", "[overrides"),
    "other version": lambda rust: (rust.folder / ".rustup/settings.toml").write_text('version = "13"\n'),
    "no settings": lambda rust: (rust.folder / ".rustup/settings.toml").unlink(),
    "huge settings": lambda rust: rust.settings(f"stable-{TRIPLE}", "#" * 20000),
    "no program": lambda rust: rust.target.unlink(),
    "broken link upwards": lambda rust: (rust.folder / "rust-toolchain").symlink_to("nowhere"),
    "variable": lambda rust: rust.environment.update(RUSTUP_TOOLCHAIN="stable"),
    "empty variable": lambda rust: rust.environment.update(RUSTUP_HOME=""),
    "no home": lambda rust: rust.environment.pop("HOME"),
    "configuration": lambda rust: (rust.folder / ".cargo/config").touch(),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_doubt_no_toolchain_is_selected(rust: Rust, doubt: str) -> None:
    DOUBTS[doubt](rust)

    assert rust.select() is None


def test_other_files_select_nothing(rust: Rust) -> None:
    (rust.folder / "bin/cargo").unlink()
    (rust.folder / "bin/cargo").symlink_to(rust.target)

    assert [rust.select(name) for name in ("cargo", "rustfmt", "rustup", "missing")] == [None] * 4


def test_pyenv_selects_the_global_version(tmp_path: Path) -> None:
    machine = PyenvMachine(tmp_path)
    selection = select(str(machine.shim), machine.environment)

    assert selection is not None
    assert selection.target == f"{machine.root}/versions/3.11.7/bin/python3"
    noted = {f"{machine.temporary}/.python-version", "/.python-version", f"{machine.root}/version"}
    noted |= {f"{machine.root}/{name}" for name in ("plugins", "libexec/pyenv-which", "pyenv.d/which")}
    assert noted | {f"{machine.folder}/early/bash", "/etc/pyenv.d/exec"} <= set(selection.files)


def test_shim_with_a_word_changed_selects_nothing(tmp_path: Path) -> None:
    machine = PyenvMachine(tmp_path)
    machine.shim.write_text(machine.shim.read_text().replace('"$@"', "$@"))

    assert select(str(machine.shim), machine.environment) is None
