"""Finds the settings file and reads its text, without ever waiting for it."""

import grp
import os
import pwd
import re
import stat
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from attune.core.errors import ConfigError, SettingsWarning, SourcePosition, shown

MAX_BYTES = 1 << 20
_NAME = "attune.yaml"
_SYSTEM = Path("/etc/attune")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The file in use: where it is, what errors call it, and its text."""

    path: Path
    name: str
    text: str


def find_file(environ: Mapping[str, str], cwd: Path, *, upwards: bool = True) -> SettingsFile | None:
    """The file that `ATTUNE_CONFIG` names, else the first of the default places that exists, else None.

    Those are *cwd*; the folders above it, as far as nobody else could have put a file there; the user's folder for
    settings; and /etc/attune. Without *upwards* a file above is passed over, with a `SettingsWarning`.

    Raises `ConfigError` for a file that is named but missing, for any that cannot be read, for one that others may
    write to, and for one of somebody else that was not named: it may have been put there for us.
    """
    named = environ.get("ATTUNE_CONFIG", "").strip()
    if named:
        text = read_text(cwd / named, named, lambda status: _refuse_writable(named, status))
        if text is None:
            got = f"{shown(named)}, which does not exist"
            hint = "correct the path, or unset ATTUNE_CONFIG to use attune.yaml or the defaults"
            raise ConfigError(field="ATTUNE_CONFIG", expected="an existing file", got=got, hint=hint)
        return SettingsFile(cwd / named, named, text)
    sudo, staged = environ.get("SUDO_UID"), f"config.{_stage(environ)}.yaml"
    if not os.access(cwd, os.X_OK) and cwd.exists():
        warnings.warn(f"the working directory cannot be read, so no {_NAME} is looked for in it", SettingsWarning, 2)
    elif file := _read(cwd / _NAME, _NAME, sudo) or _read(cwd / staged, staged, sudo):
        return file
    for folder in _folders_above(cwd, sudo):
        path = folder / _NAME
        if upwards and (file := _read(path, str(path), sudo)):
            return file
        if not upwards and path.exists():
            hint = f"set ATTUNE_CONFIG={path} if it is meant"
            warnings.warn(f"{path} is not read: services look in no folder above; {hint}", SettingsWarning, 2)
            break
    own = environ.get("XDG_CONFIG_HOME", "") or f"{environ.get('HOME', '')}/.config"
    for folder in (Path(own, "attune"), _SYSTEM):
        if folder.is_absolute() and own != "/.config" and (file := _read(folder / _NAME, str(folder / _NAME), sudo)):
            return file
    return None


def _read(path: Path, name: str, sudo: str | None) -> SettingsFile | None:
    """The settings file at *path*, which nobody else may have written; None if there is none."""

    def vet(status: os.stat_result) -> None:
        _refuse_foreign(path, name, status, sudo)
        _refuse_writable(name, status)

    text = read_text(path, name, vet)
    return None if text is None else SettingsFile(path, name, text)


def _folders_above(cwd: Path, sudo: str | None) -> Iterator[Path]:
    """The folders above *cwd*, up to the first that belongs to somebody else or that others may write to."""
    try:
        folder = cwd.absolute()
        for above in folder.parents:
            for each in (folder, above):
                status = each.stat()
                if status.st_uid not in _ours(sudo) or _others_may_write(status):
                    return
            yield above
            folder = above
    except OSError:
        return


def _stage(environ: Mapping[str, str]) -> str:
    stage = environ.get("ATTUNE_ENVIRONMENT", "").strip() or "development"
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", stage):
        expected, hint = "letters, digits, '_', '.' and '-'", "set it to a word such as production"
        raise ConfigError(field="ATTUNE_ENVIRONMENT", expected=expected, got=shown(stage), hint=hint)
    return stage


def _refuse_foreign(path: Path, name: str, status: os.stat_result, sudo: str | None) -> None:
    """Refuse the file at *path*, or a link there, unless it is ours, root's or that of the user behind *sudo*."""
    for owner in (status.st_uid, path.lstat().st_uid):
        if owner not in _ours(sudo):
            got = f"one that belongs to {_user_name(owner)}, who may have put it here"
            hint = f"remove it, or set ATTUNE_CONFIG={name} if it is to be trusted"
            raise ConfigError(field=name, expected="a file of this user or of root", got=got, hint=hint)


def _ours(sudo: str | None) -> set[int]:
    return {0, os.geteuid(), int(sudo) if sudo and sudo.isdecimal() and os.geteuid() == 0 else 0}


def _refuse_writable(name: str, status: os.stat_result) -> None:
    if _others_may_write(status):
        expected, got = "a file that nobody else may write to", f"one of mode {stat.S_IMODE(status.st_mode):04o}"
        raise ConfigError(field=name, expected=expected, got=got, hint=f"chmod go-w {name}")


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _others_may_write(status: os.stat_result) -> bool:
    """Whether more than the owner and root may write to a file; a group that bears the owner's name is private."""
    if not status.st_mode & stat.S_IWGRP or status.st_mode & stat.S_IWOTH:
        return bool(status.st_mode & stat.S_IWOTH)
    try:
        group, names = grp.getgrgid(status.st_gid), {"root", pwd.getpwuid(status.st_uid).pw_name}
    except KeyError:
        return True
    return not names.issuperset((group.gr_name, *group.gr_mem))


def read_text(path: Path, name: str, vet: Callable[[os.stat_result], None] = lambda status: None) -> str | None:
    """The content of the regular file at *path*, None if there is none. *name* is how errors call it.

    *vet* is shown the opened file before it is read, and raises what is wrong with it.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            got = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise ConfigError(field=name, expected="a regular file", got=got)
        with os.fdopen(descriptor, "rb") as file:
            vet(status)
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigError(field=name, expected="a file", got="a link to one that does not exist") from None
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(field=name, expected="a readable file", got=f"this: {reason}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(field=name, expected=f"a file of at most {MAX_BYTES >> 20} MiB", got="a larger one")
    return decoded(content, name)


def decoded(content: bytes, name: str) -> str:
    """The text of a file that errors call *name*, without its byte order mark. Raises `ConfigError`."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = SourcePosition(name, content.count(b"\n", 0, error.start) + 1)
        got, hint = f"the byte 0x{content[error.start]:02x}", "save the file as UTF-8"
        raise ConfigError(field=name, expected="UTF-8 text", got=got, position=place, hint=hint) from None
