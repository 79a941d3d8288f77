"""Who calls, and whether they may: a bearer token, or the cookie of a page with proof that the page itself asked."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from attune.core.access.tokens import Caller, Scope, csrf_of
from attune.web.middleware.problems import ProblemError
from attune.web.services import services_of

SESSION_COOKIE = "attune_session"
AUTHENTICATED = "authenticated"  # in the state of a request: what its connection wants called when the caller is known
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="attune"'}

SECURITY_SCHEME = {"type": "http", "scheme": "bearer", "description": "A token made with `attune token create`."}


async def caller_of(request: Request) -> Caller | None:
    """Who sent *request*, None for nobody. Raises `ProblemError` 401 for a token that opens nothing (any more)."""
    services = await services_of(request)
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        caller = await services.callers.by_token(text.strip()) if kind.lower() == "bearer" else None
        if caller is None:
            raise ProblemError(
                401,
                "expected a live token in `Authorization: Bearer …`, got one that opens nothing",
                headers=_CHALLENGE,
            )
    else:
        session = session_of(request)
        caller = await services.callers.by_session(session) if session else None
    if caller is not None:
        state = request.scope.setdefault("state", {})
        state["caller"] = caller
        state.get(AUTHENTICATED, bool)()
    return caller


def session_cookie(request: Request) -> str:
    """The name of the cookie of a session: over TLS one that no other site or plain connection can set."""
    return f"__Host-{SESSION_COOKIE}" if request.url.scheme == "https" else SESSION_COOKIE


def session_of(request: Request) -> str:
    """The session that the cookie of *request* names, empty for none."""
    return request.cookies.get(session_cookie(request), "")


def allow(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, who has *scope*. Raises `ProblemError` 401 for nobody and 403 for too narrow a scope.

    A browser sends its cookie whoever asked it to, so that a change must also carry what only our pages know.
    """

    async def allowed(request: Request) -> Caller:
        caller = await caller_of(request)
        if caller is None:
            raise ProblemError(401, "expected a token in `Authorization: Bearer …`, got none", headers=_CHALLENGE)
        if not caller.scope.holds(scope):
            sentence = f"expected a token with scope {scope}, got {caller.name!r} with scope {caller.scope}"
            raise ProblemError(403, sentence, hint=f"attune token create NAME --scope {scope}")
        if caller.by_cookie and request.method not in _READS:
            await _require_own_page(request)
        return caller

    allowed.__name__ = f"allow_{scope}"
    return allowed


async def _require_own_page(request: Request) -> None:
    token = request.headers.get(CSRF_HEADER)
    if token is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        value = (await request.form()).get(CSRF_FIELD)
        token = value if isinstance(value, str) else None
    wanted = csrf_of(session_of(request))
    if token is None or not hmac.compare_digest(token.encode(), wanted.encode()) or not is_same_origin(request):
        raise ProblemError(403, "expected a change that one of Attune's own pages asked for, got one from elsewhere")


def is_same_origin(request: Request) -> bool:
    """Whether the browser says that *request* comes from a page of this server, or says nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def client_of(request: Request) -> str:
    """The address that *request* came from."""
    return request.client.host if request.client else "unknown"


Reader = Annotated[Caller, Depends(allow(Scope.READ))]
Operator = Annotated[Caller, Depends(allow(Scope.OPERATE))]
Admin = Annotated[Caller, Depends(allow(Scope.ADMIN))]
