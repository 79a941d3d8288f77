"""Machines with a version manager on them: pyenv rebuilt from its template or copied, rustup copied."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from attune.core.runtimes.command import Outcome
from attune.host.probing.assemble import HostOptions, assemble
from host_checks import SYSTEM_PATH, command, run_all

AHEAD = 10.0  # seconds; files made by a test are too young to be trusted otherwise
BINARIES = [os.path.realpath(shutil.which(name) or name) for name in ("true", "cat", "echo")]

SHIM = """#!/usr/bin/env bash
set -e
[ -n "$PYENV_DEBUG" ] && set -x

program="${{0##*/}}"

export PYENV_ROOT="{root}"
{detour}exec "{launcher}" exec "$program" "$@"
"""
DETOUR = """SHIM_PATH=${{0%/*}}
if [[ $SHIM_PATH != "{root}/shims" ]]; then
  export _PYENV_SHIM_PATH="$SHIM_PATH"
fi
"""
PARTS = """
    pyenv-exec pyenv-version-name pyenv-version-file pyenv-version-file-read pyenv-which pyenv-hooks pyenv-prefix
    pyenv-latest
"""
# The rules of pyenv in one script, for machines without it.
STAND_IN = """#!/usr/bin/env bash
set -e
shift
program="$1"
shift
file="$PYENV_ROOT/version"
folder="$PWD"
while :; do
  if [ -f "$folder/.python-version" ]; then file="$folder/.python-version"; break; fi
  [ -n "$folder" ] || break
  folder="${folder%/*}"
done
PYENV_VERSION="${PYENV_VERSION:-$(cat "$file")}"
PYENV_COMMAND_PATH="$PYENV_ROOT/versions/$PYENV_VERSION/bin/$program"
shopt -s nullglob
for event in version-name which exec; do
  for hook in "$PYENV_ROOT/pyenv.d/$event"/*.bash "$PYENV_ROOT"/plugins/*/etc/pyenv.d/"$event"/*.bash; do
    source "$hook"
  done
done
if [ ! -x "$PYENV_COMMAND_PATH" ]; then echo "$program: command not found in $PYENV_VERSION" >&2; exit 127; fi
exec "$PYENV_COMMAND_PATH" "$@"
"""


class ManagedMachine:
    """A folder with a cache, an environment, and what a check comes to in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "some" / "where"
        self.temporary.mkdir(parents=True)
        self.environment = {"HOME": str(folder), "TMPDIR": str(self.temporary), "PATH": SYSTEM_PATH}

    def ask(self, *argv: str) -> Outcome:
        options = HostOptions(cache_folder=str(self.folder / "cache"))
        checks = assemble(self.environment, options, clock=lambda: time.time() + AHEAD)
        return run_all(checks.runner, {"a": command(*argv)})["a"]

    def ask_without_cache(self, *argv: str) -> Outcome:
        return run_all(assemble(self.environment).runner, {"a": command(*argv)})["a"]

    def agrees(self, *argv: str) -> Outcome:
        """The answer, which must be the one that a runner without a cache gives."""
        answer, fresh = self.ask(*argv), self.ask_without_cache(*argv)
        assert gist(answer) == gist(fresh)
        return answer

    def learn(self, *argv: str) -> Outcome:
        """Ask twice, so that the second answer comes from the cache."""
        first, second = self.ask(*argv), self.ask(*argv)
        assert (first.exit_code, first.cached_age) == (0, None), first
        assert second.cached_age is not None
        assert gist(first) == gist(second)
        return second

    def is_never_remembered(self, *argv: str) -> None:
        assert [self.agrees(*argv).cached_age for _ in range(2)] == [None, None]


def gist(outcome: Outcome) -> tuple[object, ...]:
    return (outcome.ending, outcome.exit_code, outcome.stdout, outcome.stderr, outcome.path, outcome.real_path)


class PyenvMachine(ManagedMachine):
    """pyenv with two versions; the "interpreters" are small native programs that know their version."""

    def __init__(self, folder: Path, original: Path | None = None) -> None:
        super().__init__(folder)
        self.root = folder / "pyenv"
        for part in ("shims", "versions", "plugins", "pyenv.d"):
            (self.root / part).mkdir(parents=True)
        if original is None:
            self._build()
        else:
            for part in ("libexec", "pyenv.d", "plugins/pyenv-virtualenv/etc"):
                if (original / part).is_dir():
                    shutil.copytree(original / part, self.root / part, symlinks=True, dirs_exist_ok=True)
        self.shim = self.root / "shims" / "python3"
        self.write_shim()
        for name, binary in zip(("3.11.7", "3.12.1"), BINARIES, strict=False):
            self.install(name, binary)
        self.choose("3.11.7\n")
        self.environment["PATH"] = f"{folder}/early:{self.root}/shims:{SYSTEM_PATH}"
        (folder / "early").mkdir()

    def _build(self) -> None:
        libexec = self.root / "libexec"
        libexec.mkdir()
        texts = dict.fromkeys(PARTS.split(), "#!/bin/sh\n") | {"pyenv": STAND_IN}
        for name, text in (texts | {"pyenv---version": 'version="2.6.30"\n'}).items():
            (libexec / name).write_text(text)
            (libexec / name).chmod(0o755)

    def write_shim(self, *, detour: bool = True, launcher: str = "libexec/pyenv", more: str = "") -> None:
        """What `pyenv rehash` writes, of a new or an old release."""
        text = SHIM.format(
            root=self.root, detour=DETOUR.format(root=self.root) if detour else "", launcher=self.root / launcher
        )
        self.shim.write_text(text + more)
        self.shim.chmod(0o755)

    def install(self, version: str, binary: str, name: str = "python3.11") -> Path:
        folder = self.root / "versions" / version / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / ".new"
        shutil.copy(binary, temporary)
        (folder / "python3").unlink(missing_ok=True)
        (folder / "python3").symlink_to(name)
        return temporary.rename(folder / name)

    def choose(self, text: str) -> None:
        (self.root / "version").write_text(text)

    def hook(self, event: str, text: str, folder: str = "pyenv.d") -> Path:
        place = self.root / folder / event
        place.mkdir(parents=True, exist_ok=True)
        (place / "own.bash").write_text(text)
        return place / "own.bash"


class RustupMachine(ManagedMachine):
    """rustup with two toolchains whose programs are small native ones that know their version."""

    def __init__(self, folder: Path, original: Path) -> None:
        super().__init__(folder)
        self.home = folder / "rustup-home"
        self.triple = f"{os.uname().machine}-unknown-linux-gnu"
        places = folder / "bin"
        places.mkdir()
        shutil.copy(original, places / "rustup")
        for name in ("cargo", "rustc"):
            (places / name).symlink_to("rustup")
        for channel, binary in zip(("stable", "nightly"), BINARIES, strict=False):
            for name in ("cargo", "rustc"):
                self.install(channel, binary, name)
        self.choose(f"stable-{self.triple}")
        (folder / "cargo-home").mkdir()
        self.environment |= {
            "PATH": f"{places}:{SYSTEM_PATH}", "RUSTUP_HOME": str(self.home), "CARGO_HOME": str(folder / "cargo-home"),
        }  # fmt: skip

    def install(self, channel: str, binary: str, name: str) -> Path:
        folder = self.home / "toolchains" / f"{channel}-{self.triple}" / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / "lib").mkdir(exist_ok=True)
        shutil.copy(binary, folder / ".new")
        return (folder / ".new").rename(folder / name)

    def choose(self, toolchain: str, more: str = "\n[overrides]\n") -> None:
        text = f'version = "12"\ndefault_toolchain = "{toolchain}"\nprofile = "default"\n{more}'
        (self.home / "settings.toml").write_text(text)


def rewrite(binary: Path) -> None:
    """Another program of the same size and with the same time."""
    status = binary.stat()
    content = binary.read_bytes()
    changed = content.replace(b"coreutils", b"coreUTILS")
    assert changed != content
    with binary.open("r+b") as file:
        file.write(changed)
    os.utime(binary, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (binary.stat().st_size, binary.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def installed_pyenv() -> Path | None:
    """The root of this machine's own pyenv."""
    found = shutil.which("pyenv")
    return Path(os.path.realpath(found)).parents[1] if found else None


def installed_rustup() -> Path | None:
    """This machine's own rustup."""
    found = shutil.which("rustup")
    return Path(os.path.realpath(found)) if found else None
