"""Writes down every change that was asked for and everybody who was refused, with who, what and how it ended."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from attune.core.access.tokens import Caller
from attune.web.services import Services

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSALS = frozenset({401, 403, 429})


async def write_audit(scope: Scope, status: int, _seconds: float) -> None:
    """Write the line of a request that was answered with *status*."""
    if scope["method"] in _READS and status not in _REFUSALS:
        return
    services: Services = scope["app"].state.services
    caller: Caller | None = scope.get("state", {}).get("caller")
    client = scope["client"][0] if scope.get("client") else "unknown"
    # Whoever has no token must not be able to fill the table.
    if caller is None and services.refusals.wait(client):
        return
    path = scope["path"][:500].replace("\0", "\ufffd")
    entry: dict[str, Any] = {"method": scope["method"], "path": path, "status": status, "client": client}
    await services.audit.write(caller, entry)
