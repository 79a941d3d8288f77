"""What an API process remembers between requests, as long as it would hear of a change: callers, and the fleet."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from attune.core.access.tokens import Caller, digest_of
from attune.core.matching.fleet import Node
from attune.core.nodes.role import Role
from attune.core.ports.access import AccessStore
from attune.core.ports.changes import CHANGED, EXECUTIONS, TOKENS
from attune.web.hub import Hub

_CALLERS = 1000
_CALLER_SECONDS = 10.0
_FLEET_SECONDS = 5.0  # nothing notifies of a check that only confirmed what was known


class Callers:
    """Who a token or a session belongs to. A revoked one is forgotten as soon as the database says so."""

    def __init__(self, tokens: AccessStore, hub: Hub) -> None:
        self._tokens = tokens
        self._hub = hub
        self._known: OrderedDict[tuple[bool, bytes], tuple[Caller, float]] = OrderedDict()
        self._changes = 0
        hub.on_notice(self._noticed)

    async def by_token(self, text: str) -> Caller | None:
        """Who *text* is the token of."""
        return await self._caller(False, text, self._tokens.caller)

    async def by_session(self, session: str) -> Caller | None:
        """Who logged in as *session*."""
        return await self._caller(True, session, self._tokens.session_caller)

    def forget(self) -> None:
        """Ask the database again, for everybody."""
        self._changes += 1
        self._known.clear()

    async def _caller(self, kind: bool, secret: str, ask: Callable[[str], Awaitable[Caller | None]]) -> Caller | None:
        key = (kind, digest_of(secret))
        known = self._known.get(key)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        before = self._changes
        caller = await ask(secret)
        if caller is not None and self._hub.live and self._changes == before:
            lasts = _CALLER_SECONDS if caller.expires_in is None else min(_CALLER_SECONDS, caller.expires_in)
            self._known[key] = (replace(caller, expires_in=None), time.monotonic() + lasts)
            if len(self._known) > _CALLERS:
                self._known.popitem(last=False)
        return caller

    def _noticed(self, channel: str, _payload: str) -> None:
        if channel in (TOKENS, "lost"):
            self.forget()


class Fleets:
    """The fleet as the matcher sees it, read again when something in it has changed."""

    def __init__(self, read: Callable[[Role], Awaitable[Sequence[Node]]], hub: Hub) -> None:
        self._read = read
        self._hub = hub
        self._changes = 0
        self._known: dict[str, tuple[Sequence[Node], int, float]] = {}
        self._reading = asyncio.Lock()
        hub.on_notice(self._noticed)

    async def of(self, role: Role) -> Sequence[Node]:
        """Every node of *role*. What is known of ages is at most five seconds old."""
        async with self._reading:
            known = self._known.get(role.name)
            if known is not None and self._hub.live and known[1] == self._changes and time.monotonic() < known[2]:
                return known[0]
            before = self._changes
            fleet = await self._read(role)
            self._known[role.name] = (fleet, before, time.monotonic() + _FLEET_SECONDS)
            return fleet

    def forget(self) -> None:
        """Read the fleet again: whoever has just changed it here need not wait for the database to tell of it."""
        self._changes += 1

    def _noticed(self, channel: str, _payload: str) -> None:
        if channel in (CHANGED, EXECUTIONS, "lost"):
            self.forget()
