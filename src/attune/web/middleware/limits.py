"""What every request passes first and every answer last: bounds on what is sent, and headers that protect the page.

Plain ASGI, since this runs for each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attune.web.middleware.problems import ProblemError, json_fault

MAX_BODY = 1024 * 1024
BODY_SECONDS = 30.0
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _with_headers(send)
        try:
            _look_at_size(scope)
            _look_at_address(scope)
            if scope["method"] in _WRITES:
                body = await _body_in_time(scope, receive)
                receive = _again(body, receive)
        except ProblemError as problem:
            await problem.response()(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


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


async def _body_in_time(scope: Scope, receive: Receive) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole_body(scope, receive)
    except TimeoutError:
        sentence = f"body: expected all of it within {BODY_SECONDS:.0f} s, got less"
        raise ProblemError(408, sentence, headers=_CLOSE) from None


async def _whole_body(scope: Scope, receive: Receive) -> bytes:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    declared = next((value for name, value in headers if name == b"content-length"), b"")
    too_large = ProblemError(413, f"body: expected at most {MAX_BODY} bytes, got more", headers=_CLOSE)
    if declared.isdigit() and (len(declared) > 18 or int(declared) > MAX_BODY):
        if all(name != b"expect" for name, _ in headers):
            await _drain(receive)
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(400, "body: expected all of it, got an end of the connection")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            if message.get("more_body", False):
                await _drain(receive)
            raise too_large
        parts.append(part)
        if not message.get("more_body", False):
            break
    body = b"".join(parts)
    kind = next((value for name, value in headers if name == b"content-type"), b"").lower()
    fault = json_fault(body) or _encoding_fault(kind, body)
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


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            names = {name.lower() for name, _ in headers}
            headers += _PROTECTION
            if b"content-security-policy" not in names:
                headers.append((b"content-security-policy", _POLICY))
            if b"cache-control" not in names:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return guarded
