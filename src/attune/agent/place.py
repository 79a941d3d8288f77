"""Whether a node has a place to run programs. While it has none it takes no work, and looks again by itself."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from attune.agent.control import first_of
from attune.agent.logs import log
from attune.agent.registration import NodeRegistration
from attune.core.backoff import RestartRules, Restarts
from attune.core.errors import DatabaseError


@dataclass(eq=False)
class NodePlace:
    """The place of the node of *registration*. *probe*, which blocks, says what is wrong with it, or None. *healed* is
    called when nothing is any more.

    What work finds wrong counts like what a probe finds, so a place that fails only at work is looked at ever later.
    """

    registration: NodeRegistration
    probe: Callable[[], str | None]
    interval: float
    rules: RestartRules = field(default_factory=RestartRules)
    healed: Callable[[], None] = lambda: None
    _restarts: Restarts = field(default_factory=Restarts)
    _fit_since: float = field(default_factory=time.monotonic)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def unfit(self, reason: str) -> None:
        """Take no work from now on: it could not be run, for that *reason*."""
        if self.registration.problem is None:
            self._fail(reason)
            self._wake.set()

    async def look(self) -> None:
        """Probe the place, and tell the registry what has changed."""
        before, problem = self.registration.problem, await asyncio.to_thread(self.probe)
        if problem is not None:
            self._fail(problem)
        elif before is not None:
            log.info("programs can be run here again")
            self.registration.problem = None
            self._fit_since = time.monotonic()
            self.healed()
        if self.registration.problem != before:
            await self._tell()

    async def keep(self, stop: asyncio.Event) -> None:
        """Probe in each interval, and with back-off while something is wrong, until *stop* is set."""
        while not stop.is_set():
            failing = self.registration.problem is not None
            pause = self.rules.delay(self._restarts.failures, random.random()) if failing else self.interval
            woken = await first_of(self._wake, stop, seconds=pause) == 0
            self._wake.clear()
            if woken:
                await self._tell()
            elif not stop.is_set():
                await self.look()

    def _fail(self, reason: str) -> None:
        fit_for = 0.0 if self.registration.problem else time.monotonic() - self._fit_since
        self._restarts = self._restarts.ended(fit_for, self.rules)
        if self.registration.problem != reason:
            log.warning(f"takes no work: {reason}")
        self.registration.problem = reason

    async def _tell(self) -> None:
        with suppress(DatabaseError):  # the next heartbeat tells
            await self.registration.tell_problem()
