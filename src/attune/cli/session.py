"""How a command gets at an installation: whatever the settings lead to, database or API."""

import asyncio
import getpass
import socket
from collections.abc import Awaitable, Callable, Collection
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import click

from attune.config import Settings, load_settings
from attune.core.errors import UsageError
from attune.core.runtimes.aliases import nearest

if TYPE_CHECKING:
    from attune.core.ports.installation import Installation

T = TypeVar("T")
Store = TypeVar("Store")


def ask(work: "Callable[[Installation], Awaitable[T]]", settings: Settings | None = None) -> T:
    """What *work* gives on the installation of *settings* (the process's own); warnings go to stderr."""
    from attune.composition.installation import api_warnings, connected  # 80 ms, and not every command asks

    settings = settings or load_settings()
    for warning in api_warnings(settings):
        _warn(warning)

    async def work_on_installation() -> T:
        async with connected(settings, who()) as installation:
            return await work(installation)

    return asyncio.run(work_on_installation())


def _with(store_of: "Callable[[Installation], Store]") -> Callable[[Callable[[Store], Awaitable[T]]], T]:
    """Runs work on one store of the installation."""
    return lambda work: ask(lambda installation: work(store_of(installation)))


with_executions = _with(lambda installation: installation.executions)
with_events = _with(lambda installation: installation.events)
with_packs = _with(lambda installation: installation.packs)
with_secrets = _with(lambda installation: installation.secrets)
with_sensors = _with(lambda installation: installation.sensors)
with_tokens = _with(lambda installation: installation.tokens)


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
