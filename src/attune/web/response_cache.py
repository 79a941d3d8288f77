"""Answers that were just given, given again: as long as nothing was told that changes them, and for two seconds."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from fastapi import Request

from attune.core.ports.changes import CHANGED, EXECUTIONS
from attune.web.hub import Hub

_SECONDS = 2.0  # a heartbeat, or a check that only confirmed what was known, is told by nobody
_MOST_BYTES = 64 * 1024 * 1024


class ResponseCache:
    """Bodies by what was asked. While nobody would tell of a change, nothing is remembered."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: OrderedDict[Hashable, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._changes = 0
        hub.on_notice(self._noticed)

    async def of(self, request: Request, key: Hashable, make: Callable[[], Awaitable[str | None]]) -> bytes | None:
        """The body of *key*: the one just given, or what *make* makes. None is not remembered.

        Whoever sends `Cache-Control: no-cache` (RFC 9111, 5.2.1.4) has it made anew.
        """
        known = self._known.get(key)
        anew = "no-cache" in request.headers.get("cache-control", "")
        if known is not None and not anew and self._hub.live and time.monotonic() < known[1]:
            return known[0]
        before = self._changes
        made = await make()
        if made is None:
            return None
        body = made.encode()
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
