"""What the commands on actions and executions share: how they get at them, follow one, and show one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import click

from attune.cli.session import ask
from attune.cli.symbols import with_symbol
from attune.core.durations import coarse
from attune.core.errors import UsageError, legible
from attune.core.ports.executions import ExecutionRecord, ExecutionStore
from attune.core.ports.installation import Installation

T = TypeVar("T")
_LOOK_SECONDS = 0.1
_UNTOLD_SECONDS = 1.0


def with_executions(work: Callable[[ExecutionStore], Awaitable[T]]) -> T:
    """What *work* gives on the installation's executions."""

    async def asked(installation: Installation) -> T:
        if installation.executions is None:
            raise UsageError(
                f"expected an installation that tells of executions, got {installation.origin}",
                hint="run it where database.url is set",
            )
        return await work(installation.executions)

    return ask(asked)


async def follow(store: ExecutionStore, number: int, *, show: bool) -> ExecutionRecord:
    """Wait until the execution has ended; what it prints meanwhile is printed if *show*, and why it waits is said."""
    after, told, waited = (0, 0), False, 0.0
    while True:
        found = await store.get(number)
        while show and (pieces := await store.output(number, after)):
            for piece in pieces:
                stream = sys.stdout if piece.stream == "stdout" else sys.stderr
                click.echo(piece.text, nl=False, file=stream)
            after = (pieces[-1].attempt, pieces[-1].number)
        if found.is_final:
            return found
        if found.status == "requested" and not told and waited >= _UNTOLD_SECONDS:
            told = True
            explained = await store.explanation(found)
            click.echo(f"execution {number} waits for a worker:\n{explained.get('text', '')}", err=True)
        await asyncio.sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS


def as_data(found: ExecutionRecord, explained: Mapping[str, Any] | None = None) -> str:
    """*found* as JSON."""
    return json.dumps({**asdict(found), **(explained or {})}, indent=2, default=str, ensure_ascii=False)


def print_ending(found: ExecutionRecord) -> int:
    """Say on stderr how it ended, its result on stdout; the exit code."""
    took = f" in {found.ran:.1f} s" if found.ran is not None else ""
    where = f" on {found.worker_name}" if found.worker_name else ""
    why = f": {legible(found.reason, 500)}" if found.reason else ""
    click.echo(f"execution {found.id}: {with_symbol(found.status)}{where}{took}{why}", err=True)
    if found.result is not None:
        click.echo(json.dumps(found.result, indent=2, ensure_ascii=False))
    return 0 if found.succeeded else 1


def interpreters(found: ExecutionRecord) -> str:
    """The interpreters that it was given, in words."""
    given = found.interpreter if isinstance(found.interpreter, dict) else {}
    return ", ".join(
        f"{name} {one.get('version') or '?'} at {one.get('path') or '?'}{_cached(one.get('cached_age_seconds'))}"
        for name, one in given.items()
        if isinstance(one, dict)
    )


def _cached(age: object) -> str:
    return f" (cached, {coarse(age)})" if isinstance(age, int | float) else ""
