"""What an API process remembers between requests, as long as it would hear of a change: callers, fleet, answers."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from typing import Generic, TypeVar

from fastapi import Request

from attune.core.access.tokens import Caller, digest_of
from attune.core.matching.fleet import Node
from attune.core.nodes.role import ROLES, Role
from attune.core.ports.access import AccessStore
from attune.core.ports.changes import CHANGED, EXECUTIONS, TOKENS
from attune.web.hub import Hub

_CALLERS = 1000
_CALLER_SECONDS = 10.0
_FLEET_SECONDS = 5.0  # nothing notifies of a check that only confirmed what was known
_ANSWER_SECONDS = 2.0  # nor of a heartbeat
_ANSWER_BYTES = 64 * 1024 * 1024

Value = TypeVar("Value")


class NotifiedCache(Generic[Value]):
    """Values that are kept for some *seconds*, and no longer than until a notification on one of *channels*.

    The oldest go once the *size* of all is more than *most*. Nothing is kept while no notification would arrive.
    """

    def __init__(
        self,
        hub: Hub,
        channels: Collection[str],
        *,
        seconds: Callable[[Value], float],
        most: int,
        size: Callable[[Value], int] = lambda _value: 1,
    ) -> None:
        self._hub = hub
        self._channels = (*channels, "lost")
        self._seconds = seconds
        self._most = most
        self._size = size
        self._total = 0
        self._known: OrderedDict[Hashable, tuple[Value, float]] = OrderedDict()
        self._changes = 0
        hub.on_notice(self._noticed)

    async def get(
        self, key: Hashable, read: Callable[[], Awaitable[Value | None]], *, anew: bool = False
    ) -> Value | None:
        """The value of *key*: the one that is kept, unless it is wanted *anew*, else what *read* gives, if not None."""
        known = self._known.get(key)
        if known is not None and not anew and self._hub.live and time.monotonic() < known[1]:
            return known[0]
        before = self._changes
        value = await read()
        if value is not None and self._hub.live and self._changes == before:
            self._drop(key)
            self._known[key] = (value, time.monotonic() + self._seconds(value))
            self._total += self._size(value)
            while self._total > self._most:
                self._drop(next(iter(self._known)))
        return value

    def forget(self) -> None:
        """Read everything again: whoever has just changed it here need not wait for the database to tell of it."""
        self._changes += 1
        self._known.clear()
        self._total = 0

    def _drop(self, key: Hashable) -> None:
        if key in self._known:
            self._total -= self._size(self._known.pop(key)[0])

    def _noticed(self, channel: str, _payload: str) -> None:
        if channel in self._channels:
            self.forget()


class Callers(NotifiedCache[Caller]):
    """Who a token or a session belongs to. A revoked one is forgotten as soon as the database says so."""

    def __init__(self, tokens: AccessStore, hub: Hub) -> None:
        super().__init__(hub, [TOKENS], seconds=_caller_seconds, most=_CALLERS)
        self._tokens = tokens

    async def by_token(self, text: str) -> Caller | None:
        """Who *text* is the token of."""
        return await self.get(("token", digest_of(text)), lambda: self._tokens.caller(text))

    async def by_session(self, session: str) -> Caller | None:
        """Who logged in as *session*."""
        return await self.get(("session", digest_of(session)), lambda: self._tokens.session_caller(session))


def _caller_seconds(caller: Caller) -> float:
    return _CALLER_SECONDS if caller.expires_in is None else min(_CALLER_SECONDS, caller.expires_in)


class Fleets(NotifiedCache[Sequence[Node]]):
    """The fleet as the matcher sees it, read again when something in it has changed."""

    def __init__(self, read: Callable[[Role], Awaitable[Sequence[Node]]], hub: Hub) -> None:
        super().__init__(hub, [CHANGED, EXECUTIONS], seconds=lambda _fleet: _FLEET_SECONDS, most=len(ROLES))
        self._read = read
        self._reading = asyncio.Lock()

    async def of(self, role: Role) -> Sequence[Node]:
        """Every node of *role*. What is known of ages is at most five seconds old."""
        async with self._reading:
            return await self.get(role.name, lambda: self._read(role)) or ()


class ResponseCache(NotifiedCache[bytes]):
    """Bodies of answers by what was requested."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(
            hub, [CHANGED, EXECUTIONS], seconds=lambda _body: _ANSWER_SECONDS, most=_ANSWER_BYTES, size=len
        )

    async def of(self, request: Request, key: Hashable, make: Callable[[], Awaitable[str | None]]) -> bytes | None:
        """The body of *key*: the one that is kept, or what *make* makes.

        Whoever sends `Cache-Control: no-cache` (RFC 9111, 5.2.1.4) has it made anew.
        """

        async def body() -> bytes | None:
            text = await make()
            return None if text is None else text.encode()

        return await self.get(key, body, anew="no-cache" in request.headers.get("cache-control", ""))
