"""Whether a node has a place to run programs. While it has none it takes no work, and looks again by itself."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress

from attune.agent.control import first_of
from attune.agent.logs import log
from attune.agent.registration import NodeRegistration
from attune.core.backoff import RestartRules, Restarts
from attune.core.errors import DatabaseError

_RULES = RestartRules()


class NodePlace:
    """The place of the node of *registration*. *probe*, which blocks, says what is wrong with it, or None. *healed* is
    called when nothing is any more.

    What work finds wrong counts like what a probe finds, so a place that fails only at work is looked at ever later.
    """

    def __init__(
        self,
        registration: NodeRegistration,
        probe: Callable[[], str | None],
        interval: float,
        rules: RestartRules = _RULES,
        healed: Callable[[], None] = lambda: None,
    ) -> None:
        self._registration = registration
        self._probe = probe
        self._interval = interval
        self._rules = rules
        self._healed = healed
        self._restarts = Restarts()
        self._fit_since = time.monotonic()
        self._wake = asyncio.Event()

    def unfit(self, reason: str) -> None:
        """Take no work from now on: it could not be run, for that *reason*."""
        if self._registration.problem is None:
            self._fail(reason)
            self._wake.set()

    async def look(self) -> None:
        """Probe the place, and tell the registry what has changed."""
        before, problem = self._registration.problem, await asyncio.to_thread(self._probe)
        if problem is not None:
            self._fail(problem)
        elif before is not None:
            log.info("programs can be run here again")
            self._registration.problem = None
            self._fit_since = time.monotonic()
            self._healed()
        if self._registration.problem != before:
            await self._tell()

    async def keep(self, stop: asyncio.Event) -> None:
        """Probe in each interval, and with back-off while something is wrong, until *stop* is set."""
        while not stop.is_set():
            failing = self._registration.problem is not None
            pause = self._rules.delay(self._restarts.failures, random.random()) if failing else self._interval
            woken = await first_of(self._wake, stop, seconds=pause) == 0
            self._wake.clear()
            if woken:
                await self._tell()
            elif not stop.is_set():
                await self.look()

    def _fail(self, reason: str) -> None:
        fit_for = 0.0 if self._registration.problem else time.monotonic() - self._fit_since
        self._restarts = self._restarts.ended(fit_for, self._rules)
        if self._registration.problem != reason:
            log.warning(f"takes no work: {reason}")
        self._registration.problem = reason

    async def _tell(self) -> None:
        with suppress(DatabaseError):  # the next heartbeat tells
            await self._registration.tell_problem()
