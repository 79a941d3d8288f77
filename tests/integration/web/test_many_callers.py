"""Callers who hold more connections than the API has files: it goes on answering, and its log stays small."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from api_process import ApiProcess, api_process, many_files
from attune.core.access.tokens import Scope
from databases import create_database, drop_database
from waiting import wait_for


@pytest.fixture(scope="module")
def api(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    url = create_database(server_url, template=template_database)
    with many_files(2048), api_process(url, tmp_path_factory.mktemp("api"), files=256) as process:
        yield process
    drop_database(server_url, url)


def ended(connections: list[socket.socket]) -> int:
    """How many of *connections* the other side has ended."""
    count = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            count += not connection.recv(1)
        except BlockingIOError:
            pass
        except ConnectionError:
            count += 1
    return count


def test_idle_strangers_make_room_for_who_comes_later(api: ApiProcess) -> None:
    idle = [api.connect() for _ in range(600)]
    try:
        for _ in range(10):
            api.seconds_to_answer()
        wait_for(lambda: ended(idle) >= 600 - 128)
        assert api.log.stat().st_size < 20_000
    finally:
        for connection in idle:
            connection.close()


def test_whoever_has_shown_a_token_keeps_the_connection(api: ApiProcess) -> None:
    head = f"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.tokens[Scope.READ]}\r\n\r\n"
    with api.connect() as known:
        known.sendall(head.encode())
        assert known.recv(65_536).startswith(b"HTTP/1.1 200")
        idle = [api.connect() for _ in range(400)]
        time.sleep(0.2)
        known.settimeout(0.1)
        try:
            while known.recv(65_536):
                pass
            raise AssertionError("the stream was ended")
        except TimeoutError:
            pass
        for connection in idle:
            connection.close()


def test_streams_that_nobody_reads_leave_room(api: ApiProcess) -> None:
    head = f"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.tokens[Scope.READ]}\r\n\r\n"
    readers = []
    try:
        for _ in range(300):
            readers.append(api.connect())
            readers[-1].sendall(head.encode())
        for _ in range(10):
            api.seconds_to_answer()
    finally:
        for reader in readers:
            reader.close()
