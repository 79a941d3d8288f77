"""What pyenv's shim of an interpreter runs, in the simple case: one installed version, named in the global file.

Follows the rules of pyenv 2.3 to 2.6. Shims that it does not know word for word, hooks that could have a say, local
version files and variables that steer pyenv are doubts.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from attune.host.version_managers.selectors_trail import DoubtError, Selection, Trail

_COMMAND = re.compile(r"python[0-9.]*")
_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_+@.-]+)+")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]*")
_RELEASE = re.compile(r'^version="2\.[3-6]\.[0-9]+"$', re.MULTILINE)
_HARMLESS_VARIABLES = frozenset({"PYENV_ROOT", "PYENV_SHELL", "PYENV_VIRTUALENV_INIT", "LD_LIBRARY_PATH"})
_STEERING = ("PYENV_", "_PYENV_", "BASH", "LD_", "POSIXLY_")
_STEERING_NAMES = frozenset({"ENV", "SHELLOPTS", "CDPATH", "GLOBIGNORE", "EXECIGNORE", "IFS", "PWD", "OLDPWD"})
_TOOLS = ("bash", "readlink", "basename")
_EVENTS = ("version-name", "which", "exec")
_HOOK_FOLDERS = ("/usr/etc/pyenv.d", "/usr/local/etc/pyenv.d", "/etc/pyenv.d", "/usr/lib/pyenv/hooks")
_PARTS = """
    pyenv pyenv-exec pyenv-version-name pyenv-version-file pyenv-version-file-read pyenv-which pyenv-hooks pyenv-prefix
    pyenv-latest
"""
# A hook that does nothing where the command was found: one `if` around all of it.
_IDLE_HOOK = re.compile(
    r'(?:#[^\n]*\n|\n)*if \[ ! -x "\$\{PYENV_COMMAND_PATH\}" \](?: && \[\[ [^;\n(`]* \]\])?; then\n'
    r"(?:(?:[ \t][^\n]*)?\n)*fi\n*"
)
# pyenv's own `exec/pip-rehash.bash`: steps in for the names of the executables beside it.
_REHASH = "5c9bbfd89e90fd6f97bd5cfd5bfcf547514b989037ec42dc540790830ba6b126"


def select_pyenv(path: str, environment: Mapping[str, str]) -> Selection | None:
    """What the file at *path* runs if it is a shim of pyenv, else None. Raises `DoubtError`."""
    shims, command = os.path.split(path)
    root, last = os.path.split(shims)
    if last != "shims" or not _COMMAND.fullmatch(command) or not _PLAIN_PATH.fullmatch(root):
        return None
    trail = Trail()
    launcher = _launcher(trail.text(path), root)
    if launcher is None:
        return None
    if any(map(_steers, environment)):
        raise DoubtError
    trail.through(root)
    _note_installation(trail, root, launcher)
    plugins = trail.names(f"{root}/plugins")
    for plugin in plugins:
        trail.through(f"{root}/plugins/{plugin}")
        trail.absent(*(f"{root}/plugins/{plugin}/bin/{tool}" for tool in _TOOLS))
    trail.binary("/usr/bin/env")
    for tool in _TOOLS:
        trail.tool(tool, environment.get("PATH", ""))
    _check_hooks(trail, root, plugins, command)
    trail.absent_upwards((".python-version",), environment)
    version = trail.text(f"{root}/version", 1024).strip(" \t\r\n")
    if not _VERSION.fullmatch(version) or version == "system":
        raise DoubtError
    trail.note(f"{root}/versions")
    trail.folder(f"{root}/versions/{version}")
    trail.folder(f"{root}/versions/{version}/bin")
    return trail.selection(f"{root}/versions/{version}/bin/{command}")


def _launcher(shim: str, root: str) -> str | None:
    """The program that *shim* hands over to; None if it is not word for word what pyenv writes."""
    for launcher in (f"{root}/libexec/pyenv", f"{root}/bin/pyenv"):
        for detour in (f'SHIM_PATH=${{0%/*}}\nif [[ $SHIM_PATH != "{root}/shims" ]]; then\n'
                       '  export _PYENV_SHIM_PATH="$SHIM_PATH"\nfi\n', ""):  # fmt: skip
            if shim == (
                '#!/usr/bin/env bash\nset -e\n[ -n "$PYENV_DEBUG" ] && set -x\n\nprogram="${0##*/}"\n\n'
                f'export PYENV_ROOT="{root}"\n{detour}exec "{launcher}" exec "$program" "$@"\n'
            ):
                return launcher
    return None


def _steers(name: str) -> bool:
    """Whether a variable could change what the scripts of pyenv do; theirs have names in small letters, too."""
    if name in _HARMLESS_VARIABLES:
        return False
    return name.startswith(_STEERING) or name in _STEERING_NAMES or name != name.upper()


def _note_installation(trail: Trail, root: str, launcher: str) -> None:
    """All of pyenv that has a say. Its scripts must be where a checkout has them, and of a known release."""
    libexec = f"{root}/libexec"
    if launcher != f"{libexec}/pyenv":
        trail.note(launcher)
        if not os.path.islink(launcher) or os.readlink(launcher) != "../libexec/pyenv":  # noqa: PTH114, PTH115
            raise DoubtError
    trail.folder(libexec)
    trail.absent(*(f"{libexec}/{tool}" for tool in (*_TOOLS, "pyenv-realpath.dylib")))
    for part in _PARTS.split():
        trail.note(f"{libexec}/{part}")
        if os.path.islink(f"{libexec}/{part}") or not os.access(f"{libexec}/{part}", os.X_OK):  # noqa: PTH114
            raise DoubtError
    if not _RELEASE.search(trail.text(f"{libexec}/pyenv---version")):
        raise DoubtError


def _check_hooks(trail: Trail, root: str, plugins: list[str], command: str) -> None:
    """No hook may have a say."""
    own = f"{root}/pyenv.d"
    for folder in (own, *_HOOK_FOLDERS, *(f"{root}/plugins/{plugin}/etc/pyenv.d" for plugin in plugins)):
        trail.through(folder)
        for event in _EVENTS:
            for name in trail.names(f"{folder}/{event}"):
                if not name.endswith(".bash"):
                    continue
                text = trail.text(f"{folder}/{event}/{name}")
                if folder == own and hashlib.sha256(text.encode()).hexdigest() == _REHASH:
                    trail.absent(f"{folder}/{event}/pip-rehash/{command}")
                elif event != "which" or not _IDLE_HOOK.fullmatch(text):
                    raise DoubtError
