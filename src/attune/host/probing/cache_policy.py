"""Which answers may be remembered at all: those that depend on nothing but one binary and its libraries.

In doubt the answer is no: running a check again costs milliseconds, a wrong answer costs trust.
"""

from __future__ import annotations

import os

from attune.core.runtimes.command import Command

_ASKS_VERSION = frozenset({("--version",), ("-version",), ("-V",), ("-v",), ("-dumpversion",), ("-dumpfullversion",)})
# Where a plain word asks for the version, and no server, project or toolchain is consulted.
_ASKS_VERSION_OF = {
    "terraform": frozenset({("version",)}),
    "kubectl": frozenset({("version", "--client")}),
    "openssl": frozenset({("version",)}),
}
# Programs that look up which other program was meant, each time: their own file says nothing about the answer.
_SELECTOR_NAMES = """
    rustup rustup-init mise rtx asdf proto proto-shim volta volta-shim fnm nodenv pyenv rbenv goenv jenv n
    dotnet go uv pixi conda micromamba mamba snap flatpak xcrun ghcup opam elan juliaup busybox toybox coreutils
"""
_SELECTORS = frozenset(_SELECTOR_NAMES.split())
_MOST_ALIASES = 3
_COPIED_SELECTORS = ("rustup", "mise", "asdf", "proto-shim", "volta-shim", "juliaup", "elan", "ghcup")


def asks_only_version(command: Command) -> bool:
    """Whether *command* asks a version manager's choice for its version, in words that mean just this to all."""
    return command.argv[1:] in (("--version",), ("-V",))


def rememberable(command: Command, path: str, real_path: str) -> bool:
    """Whether the answer of *command*, found at *path*, could be remembered if the file is a native binary."""
    name = os.path.basename(command.argv[0])  # noqa: PTH119
    real_name = os.path.basename(real_path)  # noqa: PTH119
    asked = command.argv[1:]
    if asked not in _ASKS_VERSION and asked not in _ASKS_VERSION_OF.get(name, ()):
        return False
    if _stem(name) not in real_name.lower() or _SELECTORS & {_stem(name), _stem(real_name), real_name.lower()}:
        return False
    if "shims" in path.split("/") or "shims" in real_path.split("/"):
        return False
    return not _has_twin(real_path)


def _stem(name: str) -> str:
    return name.lower().rstrip("0123456789.-") or name.lower()


def _has_twin(real_path: str) -> bool:
    """Whether the file has another name or lies beside a selector of the same size: it may be a copy of one."""
    folder = os.path.dirname(real_path)  # noqa: PTH120
    try:
        own = os.stat(real_path)  # noqa: PTH116
    except OSError:
        return True
    if own.st_nlink > 1 and not _links_are_aliases(folder, os.path.basename(real_path), own):  # noqa: PTH119
        return True
    for other in _COPIED_SELECTORS:
        try:
            if os.stat(f"{folder}/{other}").st_size == own.st_size:  # noqa: PTH116
                return True
        except OSError:
            continue
    return False


def _links_are_aliases(folder: str, name: str, own: os.stat_result) -> bool:
    """Whether all names of the file are in *folder* and mean the same program, as `perl` and `perl5.36.0` do."""
    if own.st_nlink > _MOST_ALIASES:
        return False
    with os.scandir(folder) as entries:
        twins = [entry.name for entry in entries if entry.inode() == own.st_ino]
    return len(twins) == own.st_nlink and len({_stem(twin) for twin in (*twins, name)}) == 1
