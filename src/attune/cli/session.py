"""How a command gets at an installation: whatever the settings lead to, database or API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TypeVar

import click

from attune.composition.installation import connected, reach_warnings
from attune.config import Settings, load_settings
from attune.core.ports.installation import Installation

T = TypeVar("T")


def ask(work: Callable[[Installation], Awaitable[T]], settings: Settings | None = None) -> T:
    """What *work* gives on the installation of *settings* (the process's own); warnings go to stderr."""
    found = settings or load_settings()
    for warning in reach_warnings(found):
        _warn(warning)

    async def asked() -> T:
        async with connected(found) as installation:
            return await work(installation)

    return asyncio.run(asked())


@cache
def _warn(warning: str) -> None:
    """Say it once."""
    click.echo(f"attune: warning: {warning}", err=True)
