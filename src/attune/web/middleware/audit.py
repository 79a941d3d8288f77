"""Writes down every change that was asked for and everybody who was refused, with who, what and how it ended."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from attune.core.access.tokens import Caller
from attune.core.errors import AttuneError
from attune.web.middleware.metrics import ObservedAnswer
from attune.web.services import Services

log = structlog.get_logger("attune.web")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSALS = frozenset({401, 403, 429})


class Audit:
    """Wraps the app. A line is written after the answer has been sent; if it cannot be, the log says so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = ObservedAnswer(send)
        try:
            await self._app(scope, receive, answer)
        finally:
            if scope["method"] not in _READS or answer.status in _REFUSALS:
                await _write(scope, answer.status)


async def _write(scope: Scope, status: int) -> None:
    services: Services = scope["app"].state.services
    caller: Caller | None = scope.get("state", {}).get("caller")
    client = scope["client"][0] if scope.get("client") else "unknown"
    # Whoever has no token must not be able to fill the table.
    if caller is None and services.refusals.wait(client):
        return
    entry: dict[str, Any] = {"method": scope["method"], "path": scope["path"][:500], "status": status, "client": client}
    entry["detail"] = scope.get("state", {}).get("audit")
    try:
        await services.tokens.note(caller, entry)
    except AttuneError as error:
        log.warning(f"cannot write the audit: {error}", **entry)
