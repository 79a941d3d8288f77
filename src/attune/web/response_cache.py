"""Keeps bodies of answers for two seconds, and no longer than until a notification that changes them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from fastapi import Request

from attune.core.ports.changes import CHANGED, EXECUTIONS
from attune.web.hub import Hub

_SECONDS = 2.0  # a heartbeat, or a check that only confirmed what was known, brings no notification
_MOST_BYTES = 64 * 1024 * 1024


class ResponseCache:
    """Bodies by what was requested. Nothing is kept while no notification would arrive."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: OrderedDict[Hashable, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._changes = 0
        hub.on_notice(self._noticed)

    async def of(self, request: Request, key: Hashable, make: Callable[[], Awaitable[str | None]]) -> bytes | None:
        """The body of *key*: the one that is kept, or what *make* makes. None is not kept.

        Whoever sends `Cache-Control: no-cache` (RFC 9111, 5.2.1.4) has it made anew.
        """
        known = self._known.get(key)
        anew = "no-cache" in request.headers.get("cache-control", "")
        if known is not None and not anew and self._hub.live and time.monotonic() < known[1]:
            return known[0]
        before = self._changes
        text = await make()
        if text is None:
            return None
        body = text.encode()
        if self._hub.live and before == self._changes:
            self._remember(key, body)
        return body

    def forget(self) -> None:
        """Make every answer anew."""
        self._changes += 1
        self._known.clear()
        self._bytes = 0

    def _remember(self, key: Hashable, body: bytes) -> None:
        old = self._known.pop(key, None)
        self._bytes += len(body) - (len(old[0]) if old else 0)
        self._known[key] = (body, time.monotonic() + _SECONDS)
        while self._bytes > _MOST_BYTES:
            _, (dropped, _) = self._known.popitem(last=False)
            self._bytes -= len(dropped)

    def _noticed(self, channel: str, _payload: str) -> None:
        if channel in (CHANGED, EXECUTIONS, "lost"):
            self.forget()
