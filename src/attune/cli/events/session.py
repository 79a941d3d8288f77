"""What the commands on triggers, rules and events share: how they get at them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, TypeVar

from attune.cli.session import ask
from attune.core.errors import UsageError
from attune.core.ports.events import EventReader
from attune.core.ports.installation import Installation
from attune.core.runtimes.aliases import nearest

T = TypeVar("T")


def with_events(work: Callable[[EventReader], Awaitable[T]]) -> T:
    """What *work* gives on the installation's events. Raises `UsageError` where only the API is at hand."""

    async def asked(installation: Installation) -> T:
        if installation.events is None:
            raise UsageError(
                f"expected the database of the installation, got {installation.origin}, which does not tell of events",
                hint="run it where database.url is set",
            )
        return await work(installation.events)

    return ask(asked)


def missing(what: str, ref: str, known: Sequence[str]) -> NoReturn:
    """Raises `UsageError` that names the nearest of *known*."""
    near = nearest(ref, known)
    raise UsageError(
        f"no {what} has the ref {ref!r}" + (f"; did you mean {near}?" if near else ""), hint=f"attune {what} list"
    )
