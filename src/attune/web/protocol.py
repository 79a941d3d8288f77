"""HTTP/1.1 as the server speaks it: uvicorn's, with a bound on how long the head of a request may take."""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from attune.web.access import AUTHENTICATED
from attune.web.connections import ConnectionLimits
from attune.web.middleware.problems import MEDIA_TYPE, ProblemError

HEAD_SECONDS = 20.0
HEAD_BYTES = 64 * 1024


class BoundedProtocol(H11Protocol):
    """One connection. Whoever takes longer than `HEAD_SECONDS` for a request line and headers is answered with 408.

    uvicorn itself only bounds the pause between two requests, so that silent connections would stay for ever.
    """

    _head_timer: asyncio.TimerHandle | None = None

    def __init__(self, connections: ConnectionLimits, *, app_state: dict[str, Any], **options: Any) -> None:
        super().__init__(app_state={**app_state, AUTHENTICATED: self._authenticated}, **options)
        self._connections = connections
        self._address = "unknown"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else "unknown"
        self._time_the_head()
        self._connections.add(transport, self._address)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self.transport, self._address)
        self._stop_timing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timing()
        elif self._head_timer is None and not self.transport.is_closing():
            self._time_the_head()

    def _authenticated(self) -> None:
        self._connections.authenticated(self.transport, self._address)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has a head that is longer than h11 reads, as a problem."""
        head = self.conn.trailing_data[0]
        status, part = (431, "headers") if b"\n" in head else (414, "address")
        too_long = ProblemError(status, f"{part}: expected at most {HEAD_BYTES} bytes, got more")
        is_long = len(head) > HEAD_BYTES
        self._refuse(too_long if is_long else ProblemError(400, f"expected HTTP/1.1, got something else: {msg}"))

    def _time_the_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_timing(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse(ProblemError(408, f"expected the head of a request within {HEAD_SECONDS:.0f} s, got less"))

    def _refuse(self, problem: ProblemError) -> None:
        self._stop_timing()
        body = json.dumps(problem.body()).encode()
        headers: list[Any] = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=problem.status, headers=headers, reason=problem.body()["title"].encode()),
            h11.Data(data=body),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._connections.refused(self._address, problem.status)
