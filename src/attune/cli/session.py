"""How a command gets at an installation: whatever the settings lead to, database or API."""

from __future__ import annotations

import asyncio
import getpass
import socket
from collections.abc import Awaitable, Callable, Collection
from functools import cache
from typing import TypeVar

import click

from attune.composition.installation import api_warnings, connected
from attune.config import Settings, load_settings
from attune.core.errors import UsageError
from attune.core.ports.events import EventReader
from attune.core.ports.executions import ExecutionStore
from attune.core.ports.installation import Installation
from attune.core.ports.packs import PackStore
from attune.core.ports.sensors import SensorReader
from attune.core.runtimes.aliases import nearest

T = TypeVar("T")
Store = TypeVar("Store")


def ask(work: Callable[[Installation], Awaitable[T]], settings: Settings | None = None) -> T:
    """What *work* gives on the installation of *settings* (the process's own); warnings go to stderr."""
    settings = settings or load_settings()
    for warning in api_warnings(settings):
        _warn(warning)

    async def work_on_installation() -> T:
        async with connected(settings) as installation:
            return await work(installation)

    return asyncio.run(work_on_installation())


def with_executions(work: Callable[[ExecutionStore], Awaitable[T]]) -> T:
    """What *work* gives on the installation's executions."""
    return ask(lambda installation: work(_store("executions", installation.executions, installation)))


def with_events(work: Callable[[EventReader], Awaitable[T]]) -> T:
    """What *work* gives on the installation's events. Raises `UsageError` where only the API is at hand."""
    return ask(lambda installation: work(_store("events", installation.events, installation)))


def with_packs(work: Callable[[PackStore], Awaitable[T]]) -> T:
    """What *work* gives on the installation's packs. Raises `UsageError` where only the API is at hand."""
    return ask(lambda installation: work(_store("packs", installation.packs, installation)))


def with_sensors(work: Callable[[SensorReader], Awaitable[T]]) -> T:
    """What *work* gives on the installation's sensors. Raises `UsageError` where only the API is at hand."""
    return ask(lambda installation: work(_store("sensors", installation.sensors, installation)))


def _store(what: str, store: Store | None, installation: Installation) -> Store:
    if store is None:
        raise UsageError(
            f"expected the database of the installation, got {installation.origin}, which does not tell of {what}",
            hint="run it where database.url is set",
        )
    return store


def unknown(sentence: str, name: str, known: Collection[str], hint: str) -> UsageError:
    """The error that *sentence* says of *name*, with the nearest of *known*."""
    near = nearest(name, known)
    return UsageError(sentence + (f"; did you mean {near}?" if near else ""), hint=hint)


def who() -> str:
    """Who sits at this terminal, for histories: `ada@build-7`."""
    try:
        person = getpass.getuser()
    except (OSError, KeyError):
        person = "unknown"
    return f"{person}@{socket.gethostname()}"


@cache
def _warn(warning: str) -> None:
    """Say it once."""
    click.echo(f"attune: warning: {warning}", err=True)
