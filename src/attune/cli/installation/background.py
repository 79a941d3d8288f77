"""`attune up --detach` and `attune down`: what is up here, found by a lock that dies with it."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from attune.core.errors import AttuneError

if TYPE_CHECKING:
    from attune.config import Settings

_START_SECONDS = 90.0
_MORE_SECONDS = 30.0  # to stop, after what work has


@dataclass(frozen=True, slots=True)
class RunningUp:
    """An `attune up` that runs on a data folder; `address` is None until everything is up."""

    process: int
    address: str | None = None


def running_up(folder: Path) -> RunningUp | None:
    """The one that runs on the data folder *folder*."""
    try:
        with _file(folder).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return RunningUp(**json.loads(file.read() or '{"process": 0}'))
    except OSError:
        pass
    return None


@contextmanager
def marked_up(folder: Path) -> Iterator[Callable[[str], None]]:
    """Be the one that runs on *folder*, and tell its address when it has one. Raises `AttuneError` if another does."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(_file(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    os.register_at_fork(after_in_child=lambda: os.close(fd))  # a child that outlives this one is none

    def write(up: RunningUp | None) -> None:
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"process": up.process, "address": up.address}).encode() if up else b"", 0)

    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refuse_second(folder)
        write(RunningUp(os.getpid()))
        yield lambda address: write(RunningUp(os.getpid(), address))
        write(None)
    finally:
        os.close(fd)


def refuse_second(folder: Path) -> None:
    """Raises `AttuneError` where one runs on *folder*."""
    if up := running_up(folder):
        where = f" on {up.address}" if up.address else ""
        raise AttuneError(f"attune is up already: process {up.process}{where}", hint="attune down")


def start_detached(settings: "Settings", options: list[str]) -> int:
    """Start `attune up` with *options* as a process without a terminal, and wait until it is up; the exit code."""
    from attune.composition.databases import data_dir, use_database

    folder = data_dir(settings)
    refuse_second(folder)
    with use_database(settings, create=True):  # held until the other one holds it
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "attune.log"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "ab") as log:
            begin = log.tell()
            argv = [sys.executable, "-m", "attune", "up", *options]
            started = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and started.poll() is None:
            up = running_up(folder)
            if up and up.address:
                click.echo(f"attune is up: process {up.process} on {up.address}, with its log in {path}.")
                click.echo("Log in with `attune token link NAME`; `attune status` tells of it, `attune down` stops it.")
                return 0
            time.sleep(0.05)
    with path.open("rb") as log:
        log.seek(begin)
        click.echo(log.read(100_000).decode(errors="replace"), err=True, nl=False)
    click.echo(f"attune: it did not come up; its log is {path}", err=True)
    return 1


@click.command(epilog="Example: attune down")
def down() -> int:
    """Stop the `attune up` of this data folder, wherever it was started; it drains first."""
    from attune.composition.databases import data_dir
    from attune.config import load_settings

    settings = load_settings()
    folder = data_dir(settings)
    up = running_up(folder)
    if up is None:
        click.echo("attune is not up.")
        return 0
    seconds = max(settings.worker.drain_timeout, settings.sensor.drain_timeout) + _MORE_SECONDS
    try:
        process = os.pidfd_open(up.process)
        signal.pidfd_send_signal(process, signal.SIGTERM)
        ended = select.select([process], [], [], seconds)[0]
        os.close(process)
    except ProcessLookupError:
        ended = [up.process]
    except PermissionError as error:
        raise AttuneError(f"process {up.process} belongs to another user", hint="run this as that user") from error
    if not ended:
        raise AttuneError(f"process {up.process} has not stopped yet", hint=f"kill -9 {up.process}")
    click.echo("attune is down.")
    return 0


def _file(folder: Path) -> Path:
    return folder / "up.lock"
