"""The API on a real socket, in a thread of this process, for tests that speak HTTP themselves."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from attune.composition.web import serve_api
from attune.core.access.tokens import Scope
from attune.testing import MemoryCipher
from attune.web.front import Front
from attune.web.server import listen
from attune.web.services import Services


@dataclass(frozen=True)
class Live:
    """Where it listens, and a token for each scope."""

    port: int
    tokens: dict[Scope, str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout: float = 100) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def say(self, sent: bytes, timeout: float = 100) -> bytes:
        """What is answered to *sent* until the other side hangs up or says nothing for a moment."""
        with self.connect(timeout) as connection:
            received = b""
            with suppress(OSError):  # refused before its end
                connection.sendall(sent)
            try:
                while part := connection.recv(65_536):
                    received += part
                    if is_whole(received):
                        break
            except (ConnectionResetError, BrokenPipeError):
                pass
            return received


def is_whole(answer: bytes) -> bool:
    """Whether *answer* has its head and as much body as that says."""
    head, end, body = answer.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and bool(lengths) and len(body) >= int(lengths[0])


@contextmanager
def live_api(url: str) -> Iterator[Live]:
    """Serve the database at *url* as `attune api start` does."""
    thread = _Serving(url)
    thread.start()
    thread.ready.wait(60)
    try:
        assert thread.failure is None, thread.failure
        yield Live(thread.port, thread.tokens)
    finally:
        thread.end()
        thread.join(30)


class _Serving(threading.Thread):
    def __init__(self, url: str) -> None:
        super().__init__(name="api", daemon=True)
        self.ready = threading.Event()
        self.tokens: dict[Scope, str] = {}
        self.port = 0
        self.failure: BaseException | None = None
        self._url = url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self.failure = error
        finally:
            self.ready.set()

    def end(self) -> None:
        if self._loop is not None and self._ended is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        making: list[asyncio.Task[None]] = []
        with listen("127.0.0.1", 0) as bound:
            self.port = int(bound.getsockname()[1])
            await serve_api(
                self._url,
                bound,
                self._ended,
                cipher=MemoryCipher(),
                front=Front(hosts=frozenset({"x"})),
                on_ready=lambda services: making.append(asyncio.ensure_future(self._make_tokens(services))),
                heal=_nothing,
            )

    async def _make_tokens(self, services: Services) -> None:
        for scope in Scope:
            _, self.tokens[scope] = await services.tokens.create(f"live {scope}", scope, created_by="tests")
        self.ready.set()


async def _nothing(*_: Any) -> None: ...
