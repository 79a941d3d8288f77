"""Writes down every change that was asked for and everybody who was refused, with who, what and how it ended."""

from http import HTTPStatus
from typing import Any

from starlette.types import Scope

from attune.core.access.audit import body_detail
from attune.core.access.tokens import Caller
from attune.web.services import Services

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSALS = frozenset({401, 403, 429})


async def write_audit(scope: Scope, status: int, _seconds: float) -> None:
    """Write the line of a request that was answered with *status*."""
    state: dict[str, Any] = scope.get("state", {})
    is_login = scope["path"] == "/login" and status == 303  # by a link it is a GET
    refused = status in _REFUSALS or state.get("turned_away", False)
    if scope["method"] in _READS and not is_login and not refused:
        return
    services: Services = scope["app"].state.services
    caller: Caller | None = state.get("caller")
    body: bytes = state.get("body", b"")
    entry = {
        "method": scope["method"],
        "path": scope["path"][:500].replace("\0", "\ufffd"),
        "status": status,
        "client": scope["client"][0] if scope.get("client") else "unknown",
        "code": (state.get("problem") or word_of(status)) if status >= 400 else None,
        "detail": body_detail(body) if body else None,
    }
    await services.audit.write(caller, entry)


def word_of(status: int) -> str:
    """The code of a problem that has none but its *status*, such as `forbidden`."""
    return HTTPStatus(status).phrase.lower().replace(" ", "_")
