"""What every request passes first and every answer last: bounds on what is sent, and headers that protect the page.

Plain ASGI, since this runs for each request.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attune.core.errors import AttuneError
from attune.web.access import caller_of
from attune.web.middleware.problems import ProblemError, json_fault

MAX_BODY = 1024 * 1024
BODY_SECONDS = 30.0
_LOGIN = "/login"
_MAX_LOGIN = 64 * 1024  # the one body that is read without a token
_MAX_BODIES = 32 * 1024 * 1024  # of all that are in memory at once
_SCANNED_AT_ONCE = 16 * 1024  # larger bodies are looked at in a thread
_MAX_ADDRESS = 16 * 1024
_MAX_HEADERS = 32 * 1024
_MAX_PARAMETERS = 200
_DRAINED = 8 * 1024 * 1024  # of a body that is too large: whoever is cut off while sending never sees why
_DRAIN_SECONDS = 1.0
_CLOSE = {"Connection": "close"}
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_TOKEN_NAMES = frozenset({"token", "access_token", "api_key", "apikey", "authorization"})
_PROTECTION = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=()"),
]
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class RequestLimits:
    """Wraps the app. A request that cannot be taken is answered here with a problem and never reaches a route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held = 0
        guarded = _with_headers(scope, send)
        try:
            try:
                scope["app"].state.services.front.settle(scope)
                _look_at_size(scope)
                _look_at_address(scope)
                if scope["method"] in _WRITES:
                    most = _MAX_LOGIN if scope["path"] == _LOGIN else MAX_BODY
                    if most == MAX_BODY and not await _is_from_caller(scope):
                        await _pass_over(scope, receive)
                        body = b""
                    else:
                        held = await self._hold(scope, receive, most)
                        body = await _body_in_time(scope, receive, most)
                        scope.setdefault("state", {})["body"] = body if most == MAX_BODY else b""
                    receive = _again(body, receive)
            except ProblemError as problem:
                scope.setdefault("state", {})["turned_away"] = True
                await problem.response()(scope, receive, guarded)
                return
            await self._app(scope, receive, guarded)
        finally:
            self._bodies -= held

    async def _hold(self, scope: Scope, receive: Receive, most: int) -> int:
        """Count the body among those in memory. Raises `ProblemError` 503 where they are too many."""
        headers = dict(scope["headers"])
        size, declared = most, headers.get(b"content-length", b"0")
        if b"transfer-encoding" not in headers and declared.isdigit() and len(declared) < 19:
            size = min(int(declared), most)
        if self._bodies + size > _MAX_BODIES:
            await _pass_over(scope, receive)
            sentence = "as many bodies are in memory as there may be"
            raise ProblemError(503, sentence, headers={"Retry-After": "1", **_CLOSE})
        self._bodies += size
        return size


async def _is_from_caller(scope: Scope) -> bool:
    """Whether the head of a request shows a live token or session; why not is told by the route."""
    try:
        return await caller_of(Request(scope)) is not None
    except (ProblemError, AttuneError):
        return False


def _look_at_size(scope: Scope) -> None:
    query = scope["query_string"]
    if len(scope.get("raw_path", b"")) + len(query) > _MAX_ADDRESS:
        raise ProblemError(414, f"address: expected at most {_MAX_ADDRESS} bytes, got more")
    if query.count(b"&") >= _MAX_PARAMETERS:
        raise ProblemError(400, f"address: expected at most {_MAX_PARAMETERS} parameters, got more")
    headers = scope["headers"]
    if sum(len(name) + len(value) for name, value in headers) > _MAX_HEADERS:
        raise ProblemError(431, f"headers: expected at most {_MAX_HEADERS} bytes, got more")
    names = {name for name, _ in headers}
    if b"transfer-encoding" in names and b"content-length" in names:
        # What stands between may have believed the other one, and taken part of the body for the next request.
        raise ProblemError(400, "headers: expected Content-Length or Transfer-Encoding, got both", headers=_CLOSE)


def _look_at_address(scope: Scope) -> None:
    query = scope["query_string"]
    if b"%" in query + scope.get("raw_path", b""):
        decoded = unquote_to_bytes(query) + b"\n" + unquote_to_bytes(scope.get("raw_path", b""))
        if b"\0" in decoded:
            raise ProblemError(400, "address: expected text without the character U+0000, got one")
        try:
            decoded.decode()
        except UnicodeDecodeError:
            raise ProblemError(400, "address: expected UTF-8, got bytes that are none") from None
    if scope["path"].startswith("/api") and query:
        names = {name.lower() for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
        if names & _TOKEN_NAMES:
            raise ProblemError(
                400,
                "expected the token in the header `Authorization: Bearer …`, got it in the address, where logs keep it",
            )


async def _body_in_time(scope: Scope, receive: Receive, most: int) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole_body(scope, receive, most)
    except TimeoutError:
        sentence = f"body: expected all of it within {BODY_SECONDS:.0f} s, got less"
        raise ProblemError(408, sentence, headers=_CLOSE) from None


async def _whole_body(scope: Scope, receive: Receive, most: int) -> bytes:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    declared = next((value for name, value in headers if name == b"content-length"), b"")
    too_large = ProblemError(413, f"body: expected at most {most} bytes, got more", headers=_CLOSE)
    if declared.isdigit() and (len(declared) > 18 or int(declared) > most):
        await _pass_over(scope, receive)
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(400, "body: expected all of it, got an end of the connection")
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            if message.get("more_body", False):
                await _drain(receive)
            raise too_large
        parts.append(part)
        if not message.get("more_body", False):
            break
    body = b"".join(parts)
    kind = next((value for name, value in headers if name == b"content-type"), b"").lower()
    large = len(body) > _SCANNED_AT_ONCE
    fault = (await asyncio.to_thread(json_fault, body) if large else json_fault(body)) or _encoding_fault(kind, body)
    if fault:
        raise ProblemError(400, f"body: {fault}")
    return body


def _encoding_fault(kind: bytes, body: bytes) -> str | None:
    """Why *body* cannot be taken as text: Python would read JSON in UTF-16 too, past the look at what is in it."""
    if b"urlencoded" in kind and b"%00" in body:
        return "expected text without the character U+0000, got one"
    if b"json" not in kind:
        return None
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"expected UTF-8, got a byte that is none at offset {error.start}"
    nul = body.find(b"\0")
    return None if nul < 0 else f"expected UTF-8, got a zero byte at offset {nul}"


async def _pass_over(scope: Scope, receive: Receive) -> None:
    """Read the body for a moment and keep none of it, unless the sender waits to be asked for it."""
    names = {name for name, _ in scope["headers"]}
    if b"expect" not in names and names & {b"content-length", b"transfer-encoding"}:
        await _drain(receive)


async def _drain(receive: Receive) -> None:
    """Read on for a moment, so that the sender gets to read the answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while size < _DRAINED:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _again(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def once_more() -> Message:
        return messages.pop() if messages else await receive()

    return once_more


def _with_headers(scope: Scope, send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            names = {name.lower() for name, _ in headers}
            headers += _PROTECTION
            if scope["scheme"] == "https":
                headers.append((b"strict-transport-security", b"max-age=31536000"))
            if b"content-security-policy" not in names:
                headers.append((b"content-security-policy", _POLICY))
            if b"cache-control" not in names:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return guarded
