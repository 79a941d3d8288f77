"""What rustup's proxy of a Rust tool runs, in the simple case: the default toolchain, installed, with its full name.

Directory overrides, toolchain files, fallback settings and variables that steer rustup are doubts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from attune.host.version_managers.selectors_trail import DoubtError, Selection, Trail

_COMMANDS = frozenset({"cargo", "rustc", "rustdoc"})
_CHANNEL = r"(stable|beta|nightly|[0-9]+\.[0-9]+(\.[0-9]+)?)(-[0-9]{4}-[0-9]{2}-[0-9]{2})?"
_TOOLCHAIN = re.compile(rf"{_CHANNEL}-{re.escape(os.uname().machine)}-unknown-linux-(gnu|musl)")
_KNOWN_SETTINGS = frozenset(
    {"version", "default_toolchain", "default_host_triple", "profile", "overrides", "auto_self_update", "auto_install"}
)
_FALLBACK = "/etc/rustup/settings.toml"
_STEERING = ("RUSTUP_", "RUST_", "CARGO_", "RUSTC", "LD_", "OPENSSL_")
_HARMLESS_VARIABLES = frozenset({"RUSTUP_HOME", "CARGO_HOME", "LD_LIBRARY_PATH"})


def select_rustup(path: str, environment: Mapping[str, str]) -> Selection | None:
    """What the file at *path* runs if it is a proxy of rustup, else None. Raises `DoubtError`."""
    command = os.path.basename(path)  # noqa: PTH119
    rustup = os.path.realpath(path)
    if command not in _COMMANDS or os.path.basename(rustup) != "rustup":  # noqa: PTH119
        return None
    if any(name.startswith(_STEERING) and name not in _HARMLESS_VARIABLES for name in environment):
        raise DoubtError
    home = _folder(environment, "RUSTUP_HOME", ".rustup")
    trail = Trail()
    trail.through(path)
    trail.binary(rustup)
    trail.folder(home)
    trail.folder(f"{home}/toolchains")
    trail.absent(_FALLBACK)
    trail.absent_upwards(("rust-toolchain", "rust-toolchain.toml"), environment)
    name = _default_toolchain(trail.text(f"{home}/settings.toml"))
    toolchain = f"{home}/toolchains/{name}"
    trail.folder(toolchain)
    trail.folder(f"{toolchain}/bin")
    if command == "cargo":
        _check_cargo(trail, environment)
    return trail.selection(f"{toolchain}/bin/{command}", (f"{toolchain}/lib",))


def _folder(environment: Mapping[str, str], variable: str, default: str) -> str:
    home = environment.get("HOME", "")
    folder = environment.get(variable, f"{home}/{default}" if home else "")
    if not folder.startswith("/"):
        raise DoubtError
    return folder.rstrip("/")


def _default_toolchain(text: str) -> str:
    """The toolchain that the settings in *text* name."""
    import tomllib

    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DoubtError from error
    name = settings.get("default_toolchain")
    if settings.get("version") != "12" or settings.get("overrides", {}) != {} or not settings.keys() <= _KNOWN_SETTINGS:
        raise DoubtError
    if not isinstance(name, str) or not _TOOLCHAIN.fullmatch(name):
        raise DoubtError
    return name


def _check_cargo(trail: Trail, environment: Mapping[str, str]) -> None:
    """Cargo reads its configuration even when it is only asked for its version, and stops if that is damaged."""
    trail.absent_upwards((".cargo/config", ".cargo/config.toml"), environment)
    home = _folder(environment, "CARGO_HOME", ".cargo")
    trail.folder(home)
    trail.absent(f"{home}/config", f"{home}/config.toml")
