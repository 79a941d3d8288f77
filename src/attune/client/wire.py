"""Requests to the API: JSON there and records of the ports back, and one sentence for all that can go wrong between.

The token goes to the configured address and nowhere else: redirects are reported, not followed.
"""

import asyncio
import json
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from attune.client.refusals import refusal_of, stranger, unreachable
from attune.core.errors import ApiError, legible, shown

T = TypeVar("T")
_TIMEOUTS = httpx.Timeout(30.0, connect=5.0)
_WHOLE = 120.0  # seconds for one answer, however slowly it trickles
_PAGE = 500
_PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A success, or a refusal that the caller wanted to see. `data` is the JSON, None where there is none."""

    status: int
    data: Any


class Wire:
    """A connection to the API at *url*. Used as `async with`. *transport* is for tests."""

    def __init__(self, url: str, token: str | None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Accept": "application/json", "User-Agent": "attune", "Cache-Control": "no-cache"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._client = httpx.AsyncClient(
                headers=headers, timeout=_TIMEOUTS, follow_redirects=False, transport=transport
            )
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:  # a proxy or certificates that cannot be
            raise ApiError(f"cannot talk to {self.url}: {legible(str(error))}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        accept: Collection[int] = (),
    ) -> ApiAnswer:
        """The answer to one request. Raises `AttuneError` for a refusal whose status is not in *accept*."""
        url = f"{self.url}{path}"
        raw = await self._exchange(method, url, query, body)
        if 300 <= raw.status_code < 400:
            target = legible(raw.headers.get("location", "nowhere"))
            raise ApiError(
                f"expected Attune's API at {self.url}, got a redirect to {target}, which the token is not taken to",
                hint="set ATTUNE_URL to the address that answers itself",
            )
        kind = raw.headers.get("content-type", "")
        if raw.status_code >= 400:
            problem = _json_or_none(raw.content) if kind.startswith(_PROBLEM) else None
            if not isinstance(problem, dict):
                raise stranger(raw.status_code, kind, raw.content, url)
            if raw.status_code not in accept:
                raise refusal_of(raw.status_code, problem, self.url)
            return ApiAnswer(raw.status_code, problem)
        if raw.status_code == 204:
            return ApiAnswer(204, None)
        if not kind.startswith("application/json"):
            raise stranger(raw.status_code, kind, raw.content, url)
        data = _json_or_none(raw.content)
        if data is None:
            raise ApiError(f"expected JSON from {url}, got {len(raw.content)} bytes that are cut off or are none")
        return ApiAnswer(raw.status_code, data)

    async def get(self, path: str, **query: str | int) -> Any:
        """The JSON at *path*."""
        return (await self.ask("GET", path, query=query)).data

    async def switch(self, path: str, enabled: bool) -> bool:
        """Switch what is at *path* on or off; False if there is nothing."""
        return (await self.ask("PATCH", path, body={"enabled": enabled}, accept=(404,))).status != 404

    async def pages(self, path: str, *, missing_is_empty: bool = False) -> list[Any]:
        """Every entry of the list at *path*, page by page."""
        entries: list[Any] = []
        seen: set[str] = set()
        cursor: str | None = None
        while True:
            query: dict[str, str | int] = {"limit": _PAGE, **({"cursor": cursor} if cursor else {})}
            answer = await self.ask("GET", path, query=query, accept=(404,) if missing_is_empty else ())
            if answer.status == 404:
                return []
            page = answer.data
            if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                raise ApiError(f"expected a list from {self.url}{path}, got something else")
            entries += page["data"]
            cursor = page.get("next")
            if not cursor:
                return entries
            if cursor in seen:
                raise ApiError(f"expected the next page from {self.url}{path}, got one that was there before")
            seen.add(cursor)

    async def _exchange(
        self, method: str, url: str, query: Mapping[str, str | int] | None, body: object
    ) -> httpx.Response:
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with asyncio.timeout(_WHOLE):
                return await self._client.request(method, url, params=query or None, content=content, headers=kind)
        except TimeoutError:
            raise ApiError(f"the API at {self.url} did not answer within {_WHOLE:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise unreachable(self.url, error) from error


class OverWire:
    """A store of an installation that *wire* leads to."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire


def _json_or_none(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def segment(text: str) -> str:
    """*text* as one segment of a path."""
    return {".": "%2E", "..": "%2E%2E"}.get(text) or quote(text, safe="")


def record_of(cls: type[T], data: Any, **more: Any) -> T:
    """*data* as a *cls*, as far as that knows it, with *more* to it. Raises `ApiError` where it does not fit."""
    if not isinstance(data, dict):
        raise ApiError(f"expected an object from the API, got {shown(data)}")
    is_moment = {each.name: "datetime" in str(each.type) for each in fields(cls)}  # type: ignore[arg-type]
    values = {name: _moment(data[name]) if moment else data[name] for name, moment in is_moment.items() if name in data}
    try:
        return cls(**{**values, **more})
    except TypeError as error:
        raise ApiError(
            f"expected an answer of this version of Attune, got another: {error}",
            hint="attune --version, on both sides",
        ) from None


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise ApiError(f"expected a time from the API, got {shown(value)}") from None
