"""A proxy before a database server: passes on, holds back, cuts off, and may lead to another server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

PASS, STALL, REFUSE = "pass", "stall", "refuse"


class RigProxies:
    """One proxy for each name, all in one thread. *target* is the path of the socket that they lead to."""

    def __init__(self, target: Callable[[], str]) -> None:
        self._target = target
        self._modes: dict[str, str] = {}
        self._delays: dict[str, float] = {}
        self._pairs: dict[str, set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]]] = {}
        self._going: dict[str, asyncio.Event] = {}
        self._held: list[asyncio.StreamWriter] = []
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def port(self, name: str) -> int:
        """Begin a proxy; the TCP port that it listens on."""
        return asyncio.run_coroutine_threadsafe(self._begin(name), self._loop).result(10)

    def stall(self, name: str) -> None:
        """Keep all connections of *name* open and move no byte; new ones are accepted, too."""
        self._do(name, STALL)

    def refuse(self, name: str) -> None:
        """End all connections of *name* and every new one."""
        self._do(name, REFUSE)
        self.cut(name)

    def cut(self, name: str, *, client: bool = True, server: bool = True) -> None:
        """End all connections of *name*; on one side only, the other one is left open and silent."""
        asyncio.run_coroutine_threadsafe(self._cut(name, client, server), self._loop).result(10)

    def delay(self, name: str, seconds: float) -> None:
        """Hold each piece back for so long."""
        self._delays[name] = seconds

    def restore(self, name: str) -> None:
        """Pass everything on again; what was held back first. Halves that were left open are ended."""
        self._delays[name] = 0
        self._do(name, PASS)
        self._loop.call_soon_threadsafe(self._release)

    def close(self) -> None:
        async def end() -> None:
            for server in self._servers:
                server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def _do(self, name: str, mode: str) -> None:
        def change() -> None:
            self._modes[name] = mode
            (self._going[name].clear if mode == STALL else self._going[name].set)()

        self._loop.call_soon_threadsafe(change)

    def _release(self) -> None:
        for writer in self._held:
            writer.close()
        self._held.clear()

    async def _begin(self, name: str) -> int:
        self._modes[name], self._delays[name], self._pairs[name] = PASS, 0.0, set()
        self._going[name] = asyncio.Event()
        self._going[name].set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.CancelledError):
                await self._connect(name, reader, writer)
            if writer not in self._held:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _connect(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._going[name].wait()
        if self._modes[name] == REFUSE:
            return
        back, forth = await asyncio.open_unix_connection(self._target())
        self._pairs[name].add((writer, forth))
        try:
            ways = [asyncio.create_task(self._pump(name, *way)) for way in ((reader, forth), (back, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._pairs[name].discard((writer, forth))
            if forth not in self._held:
                forth.close()

    async def _pump(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self._delays[name]:
                    await asyncio.sleep(self._delays[name])
                await self._going[name].wait()
                writer.write(data)
                await writer.drain()

    async def _cut(self, name: str, client: bool, server: bool) -> None:
        for near, far in list(self._pairs[name]):
            self._held += [writer for writer, ended in ((near, client), (far, server)) if not ended]
            for writer, ended in ((near, client), (far, server)):
                if ended:
                    writer.transport.abort()
