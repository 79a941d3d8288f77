"""Serves the app on a socket, in the event loop of its caller."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import uvicorn

from attune.core.errors import AttuneError, UsageError
from attune.web.app import create_app
from attune.web.connections import ApiListener, ConnectionLimits, room_for_connections
from attune.web.middleware.audit import word_of
from attune.web.protocol import HEAD_BYTES, BoundedProtocol
from attune.web.services import Services

_GRACE_SECONDS = 3
_BACKLOG = 4096  # connections that wait to be accepted; one more would try again a second later
_LOOK_EVERY_SECONDS = 2.0


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the caller says when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, *, tries: int = 1) -> socket.socket:
    """A socket bound to *host* and the first free one of *tries* ports from *port* on. Raises `UsageError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = ApiListener(family)
    for number in range(port, min(port + tries, 65_536)):
        try:
            bound.bind((host, number))
            bound.listen(_BACKLOG)
            return bound
        except OSError as error:
            failure = error
            if error.errno != errno.EADDRINUSE:
                break
    bound.close()
    raise UsageError(
        f"api.port: expected an address that is free, got {host}:{port}: {failure.strerror or failure}",
        hint="choose another: ATTUNE__API__PORT=8520",
    )


async def serve(
    services: Services,
    bound: socket.socket,
    stop: asyncio.Event,
    *,
    on_ready: Callable[[Services], None],
    heal: Callable[[], Awaitable[None]],
) -> None:
    """Serve on *bound* until *stop* is set; open streams get a moment to end.

    *heal* is called whenever the database does not answer.
    """
    server = _Server(_config(services))
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        if not task.done():
            on_ready(services)
        watching = [asyncio.create_task(stop.wait()), asyncio.create_task(_keep_healthy(services, heal))]
        await asyncio.wait({task, *watching}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in watching:
            waiting.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    finally:
        services.hub.close()
        server.should_exit = True
        await task


def _config(services: Services) -> uvicorn.Config:
    connections = ConnectionLimits(room_for_connections(), services.front.is_proxy, partial(_note_refusal, services))
    return uvicorn.Config(
        create_app(services, most_streams=connections.most // 2),
        backlog=_BACKLOG,
        log_config=None,
        log_level="error",  # a warning for each request that is no HTTP would fill the log
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_SECONDS,
        server_header=False,
        proxy_headers=False,
        http=partial(BoundedProtocol, connections),  # type: ignore[arg-type]
        h11_max_incomplete_event_size=HEAD_BYTES,
        ws="none",
    )


def _note_refusal(services: Services, client: str, status: int) -> None:
    entry = {"method": "-", "path": "(no request)", "status": status, "client": client, "code": word_of(status)}
    services.audit.add(None, entry)


async def _keep_healthy(services: Services, heal: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        if not await services.tokens.answers():
            with suppress(AttuneError):
                await heal()


def address_of(bound: socket.socket) -> str:
    """The URL of what is served on *bound*."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
