"""Runs services as processes of their own, copies of this one, and starts them again when they end."""

import asyncio
import ctypes
import gc
import os
import random
import signal
import socket
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from attune.agent.control import Control, first_of, obey_signals
from attune.agent.logs import log
from attune.core.backoff import RestartRules, Restarts
from attune.core.errors import SupersededError

_RESTARTS = RestartRules(first=0.5)
_PR_SET_NAME = 15
_links: set[socket.socket] = set()  # to the processes that run


@dataclass(eq=False)
class ServiceProcess:
    """The service *name*: a process that does *run*, which gives its exit code, until the socket that it gets says so.

    It is killed where it has not stopped *stop_seconds* after it was told to. `said` is what it says when it is up.
    """

    name: str
    run: Callable[[socket.socket], int]
    stop_seconds: float
    said: str = field(default="", init=False)
    up: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _link: socket.socket | None = field(default=None, init=False)

    async def keep(self, stop: asyncio.Event) -> None:
        """Have it run until *stop* is set; then tell it to stop, and return when it has."""
        restarts, clock = Restarts(), asyncio.get_running_loop().time
        while not stop.is_set():
            begun = clock()
            try:
                how = await self._run_once(stop)
            except OSError as error:
                how = f"it cannot be started: {error.strerror}"
            if how == f"exit code {SupersededError.exit_code}":  # or something else that a new start does not change
                log.warning(f"{self.name} ended: {how}; it is not started again")
                return
            if not stop.is_set():
                restarts = restarts.ended(clock() - begun, _RESTARTS)
                seconds = _RESTARTS.delay(restarts.failures, random.random())
                log.warning(f"{self.name} ended: {how}; it is started again in {seconds:.1f} s")
                await first_of(stop, seconds=seconds)

    def order(self, order: str) -> None:
        """Send it the name of an event of its `Control`."""
        if self._link is not None:
            with suppress(OSError):  # it has ended
                self._link.send(order.encode())

    async def _run_once(self, stop: asyncio.Event) -> str:
        """Run it; how it ended."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            _links.add(ours)
            try:
                pid = os.fork()
                if not pid:
                    self._be(theirs)
                theirs.close()
                self._link = ours
                loop.add_reader(ours, self._receive, ours, ended)
                if await first_of(ended, stop) and not ended.is_set():
                    self.order("stop")
                    if await first_of(ended, seconds=self.stop_seconds) is None:
                        log.warning(f"{self.name} does not stop, and is killed")
                        os.kill(pid, signal.SIGKILL)
            finally:
                self._link = None
                _links.discard(ours)
                loop.remove_reader(ours)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # noqa: ASYNC222 - it has ended
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def _receive(self, ours: socket.socket, ended: asyncio.Event) -> None:
        try:
            said = ours.recv(4096).decode()
        except ConnectionError:
            said = ""
        if not said:
            asyncio.get_running_loop().remove_reader(ours)
            ended.set()
            return
        if self.up.is_set():
            log.info(f"{self.name} is up again")
        self.said = said
        self.up.set()

    def _be(self, theirs: socket.socket) -> None:
        """Be the process, and never return."""
        code = 1
        try:
            ctypes.CDLL(None).prctl(_PR_SET_NAME, f"attune {self.name}".encode())
            os.setsid()  # what a terminal sends comes by way of the original
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            for link in _links:
                link.close()
            code = self.run(theirs)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)


class _PassedOn(asyncio.Event):
    """An event that all *processes* are told of, each time that it is set."""

    def __init__(self, name: str, processes: Sequence[ServiceProcess]) -> None:
        super().__init__()
        self._name, self._processes = name, processes

    def set(self) -> None:
        super().set()
        for process in self._processes:
            process.order(self._name)


async def run_processes(processes: Sequence[ServiceProcess], on_ready: Callable[[], Awaitable[None]]) -> None:
    """Run *processes* until a signal; the last of them is ended when the others have ended.

    *on_ready* is called once, when all are up. Raises what that raises.
    """
    control = Control(hurry=_PassedOn("hurry", processes), reload=_PassedOn("reload", processes))
    obey_signals(control)
    gc.freeze()  # so that looking for garbage writes to no page that the processes share
    others_ended = asyncio.Event()
    others = [asyncio.create_task(process.keep(control.stop)) for process in processes[:-1]]
    last = asyncio.create_task(processes[-1].keep(others_ended))
    try:
        if not await first_of(asyncio.gather(*(process.up.wait() for process in processes)), control.stop):
            await on_ready()
        await asyncio.wait({*others, last, asyncio.create_task(control.stop.wait())}, return_when="FIRST_COMPLETED")
    finally:
        control.stop.set()
        await asyncio.gather(*others, return_exceptions=True)
        others_ended.set()
        await last
    await asyncio.gather(*others)
