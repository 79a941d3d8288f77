"""Bytes that no decent client sends, on a real socket: each is answered with a 4xx or cut off, and the server lives."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Iterator

import pytest

from attune.core.access.tokens import Scope
from attune.web import protocol
from attune.web.middleware import limits as gate
from databases import create_database, drop_database
from live_api import Live, is_whole, live_api
from waiting import wait_for

HEAD = b"Host: x\r\n"
FORM = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
JSON = b"POST /api/match HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"


@pytest.fixture(scope="module")
def live(server_url: str, template_database: str) -> Iterator[Live]:
    url = create_database(server_url, template=template_database)
    with live_api(url) as served:
        yield served
    drop_database(server_url, url)


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer.split()[1])


def whole(connection: socket.socket) -> bytes:
    """One answer, head and body."""
    received = b""
    while not is_whole(received):
        part = connection.recv(65_536)
        if not part:
            break
        received += part
    return received


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize(
    ("start", "then", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: a\r\n" * 500, 431),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 3_000, 431),
        (b"GET /", b"a" * 3_000, 414),
    ],
    ids=["headers", "header", "address"],
)
def test_a_head_without_end_is_too_long_however_it_arrives(live: Live, start: bytes, then: bytes, status: int) -> None:
    assert status_of(trickle(live, start, then)) == status


def test_a_head_of_28_kib_is_read_in_pieces_too(live: Live) -> None:
    with live.connect() as connection:
        for part in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", *[b"X-%d: %s\r\n" % (n, b"a" * 7_000) for n in range(4)]):
            connection.sendall(part)
            time.sleep(0.05)
        connection.sendall(b"\r\n")

        assert status_of(whole(connection)) == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /healthz?a=%c3%28 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /static/..%2f..%2f..%2fetc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /healthz?" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /healthz?" + b"a=1&" * 2_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 20_000 + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 200),
        (FORM + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (FORM + b"Content-Length: -5\r\n\r\nhello", 400),
        (FORM + b"Content-Length: 5, 5\r\n\r\nhello", 422),
        (FORM + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
        (FORM + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (FORM + b"Transfer-Encoding: gzip\r\n\r\nhello", 400),
        (FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", 400),
        (FORM + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*[b"y" * 60_000] * 20, b""), 413),
        (FORM + b"Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n", 413),
        (FORM + b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, 413),
    ],
    ids=lambda value: ascii(value[:70]) if isinstance(value, bytes) else str(value),
)  # fmt: skip
def test_each_is_answered_with_its_status(live: Live, sent: bytes, status: int) -> None:
    assert status_of(live.say(sent)) == status


@pytest.mark.parametrize("sent", [b"\x00\x00\x00", b"GET /\x00 HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: a\r\n\r\n"])
def test_what_is_no_http_is_a_problem_too(live: Live, sent: bytes) -> None:
    head, _, body = live.say(sent + b"\r\n\r\n").partition(b"\r\n\r\n")

    assert b"content-type: application/problem+json" in head.lower()
    assert json.loads(body)["status"] == 400


def test_two_hundred_strangers_leave_the_server_answering(live: Live) -> None:
    idle = [live.connect() for _ in range(200)]
    try:
        assert status_of(live.say(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")) == 200
    finally:
        for connection in idle:
            connection.close()


def trickle(live: Live, first: bytes, drop: bytes) -> bytes:
    """What is answered to somebody who goes on sending *drop* every 20 ms."""
    with live.connect() as connection:
        connection.sendall(first)
        for _ in range(3000):
            if select.select([connection], [], [], 0.02)[0]:
                return connection.recv(65_536)
            with contextlib.suppress(OSError):  # it has hung up, and what it said before is there to be read
                connection.sendall(drop)
    raise AssertionError("nobody minded")


def test_a_head_that_never_ends_is_answered_in_time(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    for first, drop in ((b"", b"G"), (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n")):
        assert status_of(trickle(live, first, drop)) == 408


def test_a_second_head_on_a_kept_connection_is_bounded_too(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with live.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status_of(whole(connection)) == 200
        connection.sendall(b"GET /healthz HT")
        assert status_of(whole(connection)) == 408
        assert connection.recv(65_536) == b""


def test_a_kept_connection_answers_one_request_after_the_other(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 1.0)
    with live.connect() as connection:
        for _ in range(4):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_of(whole(connection)) == 200
            time.sleep(0.35)  # together longer than one head may take


def test_answers_do_not_wait_for_acknowledgements(live: Live) -> None:
    def seconds() -> float:
        begun = time.monotonic()
        for _ in range(5):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_of(whole(connection)) == 200
        return time.monotonic() - begun

    with live.connect() as connection:
        wait_for(lambda: seconds() < 0.15)  # five answers, each 40 ms late, never are


def test_a_body_that_never_ends_is_answered_in_time(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.3)
    assert status_of(trickle(live, FORM + b"Content-Length: 1000\r\n\r\n", b"a")) == 408


def test_a_body_without_a_token_is_passed_over_by_its_head(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the body was looked at")

    monkeypatch.setattr(gate, "json_fault", read)
    body = b"[[],[]," * 150_000
    head = b"POST /api/match HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(
        body
    )
    for shown in (b"", b"Authorization: Bearer attune_x\r\n", b"Cookie: attune_session=x\r\n"):
        assert status_of(live.say(head + shown + b"\r\n" + body)) == 401


def test_all_bodies_together_are_bounded(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_MAX_BODIES", 1_000_000)
    head = JSON % live.tokens[Scope.READ].encode() + b"Content-Length: 700000\r\n\r\n"

    def refused() -> bytes:
        with live.connect() as slow:
            slow.sendall(head + b" ")
            time.sleep(0.2)  # most often it is looked at first
            answer = live.say(head + b" " * 700_000)
            return answer if status_of(answer) == 503 else b""

    assert b"retry-after: 1" in wait_for(refused).lower()


def test_whoever_hangs_up_in_the_middle_of_a_body_leaves_nothing_behind(live: Live) -> None:
    for _ in range(20):
        with live.connect() as connection:
            connection.sendall(FORM + b"Content-Length: 1000\r\n\r\nabc")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # with a reset

    assert status_of(live.say(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")) == 200


@pytest.mark.parametrize(
    ("kind", "body", "statuses"),
    [
        (b"application/json", b"{", {400}),
        (b"application/json", b"", {400, 422}),
        (b"application/json", b"\xff\xfe", {400}),
        (b"application/json", b'{"terms": ["\xff"]}', {400}),
        (b"application/json", b'{"terms": ["\\ud800"]}', {400}),
        (b"application/json", b'{"terms": ["\\u0000"]}', {400}),
        (b"application/json", b"[" * 100_000, {400}),
        (b"application/json", b'{"a":' * 100_000, {400}),
        (b"application/json", b'{"terms": NaN}', {400, 422}),
        (b"application/json", b'{"limit": 1e999}', {400, 422}),
        (b"application/json", b'{"limit": ' + b"9" * 10_000 + b"}", {400, 422}),
        (b"application/json", b"null", {422}),
        (b"application/json", b"\xef\xbb\xbf{}", {400, 422}),
        (b"application/xml", b"<a/>", {415, 422}),
        (b"text/plain", b'{"terms": ["python"]}', {415, 422}),
        (b"multipart/form-data; boundary=x", b"--x\r\n\r\n", {400, 415, 422}),
        (b"application/x-www-form-urlencoded", b"terms=python", {415, 422}),
        (b"application/json; charset=utf-16", '{"terms": ["python"]}'.encode("utf-16"), {400}),
        (b"application/json", '{"terms": ["python"]}'.encode("utf-16-le"), {400}),
        (b"application/json", '{"terms": ["\\u0000"]}'.encode("utf-32"), {400}),
        (b"\xff", b"{}", {400, 415, 422}),
    ],
    ids=lambda value: ascii(value[:40]) if isinstance(value, bytes) else "",
)  # fmt: skip
def test_a_body_that_is_not_what_was_asked_for_is_refused(
    live: Live, kind: bytes, body: bytes, statuses: set[int]
) -> None:
    head = JSON.replace(b"application/json", kind, 1) % live.tokens[Scope.ADMIN].encode()
    answer = live.say(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert status_of(answer) in statuses, answer
    assert b"application/problem+json" in answer
