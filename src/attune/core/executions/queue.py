"""The queue engine as this program uses it: a narrow port, so that another engine can take its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol

Take = Callable[[int, int, str], Coroutine[Any, Any, bool]]
"""Runs the work of a job: its id, its execution's and its queue. False: it was not begun, and another may have it."""


class WorkQueue(Protocol):
    """Brings jobs to this node. What is put into queues is put there by the transaction that records it."""

    def read(self, queues: Collection[str]) -> None:
        """Take jobs of *queues* from now on, and of no others."""
        ...

    def notify(self, queues: Collection[str]) -> None:
        """There may be new jobs in *queues*."""
        ...

    async def keep(self) -> None:
        """Take jobs until cancelled; what has begun by then goes on."""
        ...

    async def rescue(self) -> int:
        """Give back the jobs of nodes that died between taking and beginning them; how many."""
        ...
