"""Thousands of callers want too much of an API with 1,024 files; prints how quickly an administrator is answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from api_process import ApiProcess, api_process, many_files
from attune.core.access.tokens import Scope
from databases import create_database, drop_database

BRACKETS = b"[[],[]," * 149_796  # 1 MiB


@pytest.fixture(scope="module")
def api(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    url = create_database(server_url, template=template_database)
    with many_files(4096), api_process(url, tmp_path_factory.mktemp("api"), files=1024) as process:
        yield process
    drop_database(server_url, url)


@contextmanager
def callers(api: ApiProcess, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """*count* connections, each of which sends *sent* as far as it is taken, and reads nothing."""
    opened = []
    try:
        for _ in range(count):
            opened.append(api.connect())
            opened[-1].settimeout(0.01)
            with suppress(OSError):
                opened[-1].sendall(sent)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def head(api: ApiProcess, request: str, scope: Scope | None = None, length: int = 0) -> bytes:
    shown = f"Authorization: Bearer {api.tokens[scope]}\r\n" if scope else ""
    kind = f"Content-Type: application/json\r\nContent-Length: {length}\r\n" if length else ""
    return f"{request} HTTP/1.1\r\nHost: localhost\r\n{shown}{kind}\r\n".encode()


@pytest.mark.parametrize("kind", ["idle", "half a head", "brackets", "brackets with a token", "streams", "bodies"])
def test_an_administrator_is_answered_meanwhile(api: ApiProcess, kind: str) -> None:
    post, size = "POST /api/match", len(BRACKETS)
    count, sent = {
        "idle": (2000, b""),
        "half a head": (2000, b"GET / HTTP/1.1\r\nX: "),
        "brackets": (16, head(api, post, None, size) + BRACKETS),
        "brackets with a token": (16, head(api, post, Scope.READ, size) + BRACKETS),
        "streams": (2000, head(api, "GET /api/stream", Scope.READ)),
        "bodies": (400, head(api, post, Scope.READ, size) + BRACKETS[:-1]),
    }[kind]
    before = api.memory()
    with callers(api, count, sent):
        slowest = max(api.seconds_to_answer() for _ in range(50))
        grown = (api.memory() - before) / 2**20
    print(f"\n{count} x {kind}: /healthz in {slowest:.3f} s, {grown:.0f} MiB more, log {api.log.stat().st_size} B")

    assert grown < 150
    assert api.log.stat().st_size < 100_000
