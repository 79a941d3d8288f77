"""What the client makes of whatever answers at the other end, Attune or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from attune.client import wire as wire_module
from attune.client.wire import Wire, segment
from attune.core.errors import ApiError, AttuneError, UsageError

TOKEN = "attune_s3cr3t"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Peer:
    """A server that answers every request with the same bytes; `requests` are the heads it got."""

    answer: bytes | Serve
    waits: bool = True
    requests: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                if self.waits:
                    self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
                if isinstance(self.answer, bytes):
                    writer.write(self.answer)
                    await writer.drain()
                else:
                    await self.answer(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """The port that is listened on."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            yield int(server.sockets[0].getsockname()[1])
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)


def answer(status: int, body: bytes, kind: str = "application/json", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*head, *headers, "", ""]).encode() + body


FAULT = {"field": "terms[0]", "expected": "a term", "got": "3"}


def problem(status: int, detail: str, hint: str | None = None) -> bytes:
    body = {"type": "about:blank", "title": "X", "status": status, "detail": detail, "errors": [FAULT]}
    if hint is not None:
        body["hint"] = hint
    return answer(status, json.dumps(body).encode(), "application/problem+json")


def talk(peer: Peer, work: Callable[[Wire], Awaitable[Any]], path: str = "") -> Any:
    async def run() -> Any:
        async with peer.listening() as port, Wire(f"http://127.0.0.1:{port}{path}", TOKEN) as wire:
            return await work(wire)

    return asyncio.run(run())


def refusal(peer: Peer) -> AttuneError:
    with pytest.raises(AttuneError) as caught:
        talk(peer, lambda wire: wire.get("/api/runtimes"))
    assert TOKEN not in f"{caught.value} {caught.value.hint}"
    return caught.value


@pytest.mark.parametrize(("path", "wanted"), [("", "/api/x"), ("/", "/api/x"), ("/a/b/", "/a/b/api/x")])
def test_the_token_goes_in_the_header_and_the_path_below_the_address(path: str, wanted: str) -> None:
    peer = Peer(answer(200, b'{"a": 1}'))

    assert talk(peer, lambda wire: wire.get("/api/x"), path) == {"a": 1}
    (request,) = peer.requests
    assert request.startswith(f"GET {wanted} HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}\r\n" in request


def test_a_redirect_is_told_and_not_followed() -> None:
    elsewhere = Peer(answer(200, b"{}"))

    async def both() -> None:
        async with elsewhere.listening() as far:
            target = f"http://127.0.0.1:{far}/"
            peer = Peer(answer(307, b"", "text/html", f"Location: {target}"))
            async with peer.listening() as near, Wire(f"http://127.0.0.1:{near}", TOKEN) as wire:
                with pytest.raises(ApiError, match=f"got a redirect to {target}"):
                    await wire.get("/api/x")

    asyncio.run(both())
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("status", "detail", "told", "kind", "says", "hint"),
    [
        (401, "expected a live token", None, ApiError, "does not know ATTUNE_TOKEN", "attune token create NAME"),
        (403, "got 'ci' with scope read", "attune token create NAME --scope operate", ApiError, "'ci'", "operate"),
        (403, "expected a change of Attune's own pages", None, ApiError, "own pages", "--scope admin"),
        (404, "no runtime x", "attune runtime list", UsageError, "no runtime x", "attune runtime list"),
        (422, "terms[0]: expected a term, got 3", None, UsageError, "terms[0]: expected a term, got 3", None),
        (429, "too many", None, ApiError, "asks to slow down: too many", "try again in a minute"),
        (503, "cannot reach the database: refused", None, ApiError, "cannot answer now: cannot reach the", None),
        (500, "an error of Attune's own: KeyError", None, ApiError, "an error of Attune's own: KeyError", None),
    ],
)
def test_a_problem_becomes_its_sentence(
    status: int, detail: str, told: str | None, kind: type[AttuneError], says: str, hint: str | None
) -> None:
    error = refusal(Peer(problem(status, detail, told)))

    assert type(error) is kind
    assert says in str(error)
    assert (hint is None and error.hint is None) or (hint or "") in (error.hint or "")


def test_the_faults_of_a_problem_are_those_of_the_error() -> None:
    error = refusal(Peer(problem(422, "terms[0]: expected a term, got 3")))

    assert (error.field, error.expected, error.got) == ("terms[0]", "a term", "3")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (answer(502, b"<html>Bad gateway", "text/html"), "something between here and Attune answered 502 Bad Gateway"),
        (answer(503, b"", "text/plain"), "answered 503 Service Unavailable"),
        (answer(200, b"<!doctype html><title>Welcome", "text/html"), "got 200 OK (text/html, which begins '<!doctype"),
        (answer(404, b'{"detail":"Not Found"}'), "expected Attune's API at http://127.0.0.1"),
        (answer(200, b'{"data": [1, 2'), "14 bytes that are cut off or are none"),
        (answer(200, b"[" * 100_000), "cut off or are none"),
        (answer(500, b"{", "application/problem+json"), "got 500"),
        (answer(418, b"\x1b[31mteapot\x00", "text/\x1b[31mplain"), "expected Attune's API"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{}", "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "broke off"),
        (b"", "broke off"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\nnot gzip",
            "cannot reach the API at http://127.0.0.1",
        ),
    ],
)  # fmt: skip
def test_what_is_not_attune_is_told_in_one_printable_line(raw: bytes, says: str) -> None:
    error = refusal(Peer(raw))

    assert isinstance(error, ApiError)
    assert says in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 500


def test_nobody_there() -> None:
    async def run() -> None:
        async with Peer(b"").listening() as port:
            pass
        async with Wire(f"http://127.0.0.1:{port}", TOKEN) as wire:
            await wire.get("/api/x")

    with pytest.raises(
        ApiError, match=r"cannot reach the API at http://127\.0\.0\.1:\d+: Connection refused"
    ) as caught:
        asyncio.run(run())
    assert "attune up" in (caught.value.hint or "")


def test_tls_to_a_server_without_it() -> None:
    async def run() -> None:
        plain = Peer(b"HTTP/1.1 400 Bad Request\r\n\r\n", waits=False)
        async with plain.listening() as port, Wire(f"https://127.0.0.1:{port}", TOKEN) as wire:
            await wire.get("/api/x")

    with pytest.raises(ApiError, match=r"https://127\.0\.0\.1:\d+ "):
        asyncio.run(run())


def test_silence_ends_and_so_does_a_trickle(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    monkeypatch.setattr(wire_module, "_TIMEOUTS", httpx.Timeout(0.3, connect=5))
    assert "did not answer in time" in str(refusal(Peer(silent)))
    monkeypatch.setattr(wire_module, "_WHOLE", 0.5)
    assert "did not answer within" in str(refusal(Peer(trickle)))


def pages_of(answers: dict[str | None, object]) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.params.get("cursor")])

    return httpx.MockTransport(handle)


def all_pages(answers: dict[str | None, object]) -> Any:
    async def run() -> Any:
        async with Wire("http://attune.test", TOKEN, transport=pages_of(answers)) as wire:
            return await wire.pages("/api/x")

    return asyncio.run(run())


def test_a_list_is_read_to_its_end() -> None:
    assert all_pages({None: {"data": [1], "next": "a&b"}, "a&b": {"data": [2, 3], "next": None}}) == [1, 2, 3]


def test_a_list_of_something_that_is_not_there_is_empty_where_that_is_asked_for() -> None:
    missing = Peer(problem(404, "no definition has the ref 'x'"))

    assert talk(missing, lambda wire: wire.pages("/api/x", missing_is_empty=True)) == []
    with pytest.raises(UsageError, match="no definition"):
        talk(missing, lambda wire: wire.pages("/api/x"))


@pytest.mark.parametrize("page", [{"data": [1], "next": "a"}, [], {"data": {}}, {}])
def test_a_list_that_never_ends_or_is_none_is_an_error(page: object) -> None:
    with pytest.raises(ApiError, match="expected"):
        all_pages({None: page, "a": page})


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a?b", "a#b", "a b", "%2e%2e", "\u00e9", "a\\..\\b"])
def test_a_name_stays_one_segment_of_the_path(name: str) -> None:
    url = httpx.URL(f"http://attune.test/p/api/runtimes/{segment(name)}/history")

    assert url.path.startswith("/p/api/runtimes/") and url.path.endswith("/history")
    assert url.raw_path.count(b"/") == 5
    assert not url.query and not url.fragment
