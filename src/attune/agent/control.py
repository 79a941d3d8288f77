"""What people and signals ask of a running node."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from attune.agent.logs import log, wait_for_log

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Control:
    """`stop` ends the service, `hurry` ends what it still waits for then.

    `reload` asks a node to read the definitions again, and is cleared when it does.
    """

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)


def obey_signals(control: Control) -> None:
    """SIGTERM, SIGINT and a terminal that goes stop, SIGHUP reloads. A second signal hurries, a third is final."""
    had_terminal = _has_terminal()

    def stop(number: int) -> None:
        if control.hurry.is_set():
            log.warning("stopping now, on the third signal")
            wait_for_log(0.2)
            os._exit(128 + number)
        if control.stop.is_set():
            log.warning("ending what still runs, on the second signal")
            control.hurry.set()
        else:
            log.info("stopping", signal=signal.Signals(number).name)
            control.stop.set()

    def reload() -> None:
        if had_terminal and not _has_terminal():
            if not control.stop.is_set():
                stop(signal.SIGHUP)
            return
        log.info("reloading", signal="SIGHUP")
        control.reload.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, reload)


def obey_supervisor(control: Control, supervisor: socket.socket) -> Callable[[str], None]:
    """Obey the names of events of *control* that come by *supervisor*, whose end stops; what tells it something."""
    loop = asyncio.get_running_loop()

    def obey() -> None:
        try:
            order = supervisor.recv(16).decode()
        except ConnectionError:
            order = ""
        if not order:
            loop.remove_reader(supervisor)
        getattr(control, order or "stop").set()

    def tell(text: str) -> None:
        with suppress(OSError):
            supervisor.send(text.encode())

    loop.add_reader(supervisor, obey)
    return tell


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal: the one it was started from, while that is there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


async def in_thread(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """What *work* returns, run in a thread; *stop* makes it end early where this is cancelled."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop()
        await task
        raise


async def first_of(*work: Awaitable[object] | asyncio.Event, seconds: float | None = None) -> int | None:
    """Run *work* until one of it ends (an event: until it is set), at most *seconds*; what has not ended is cancelled.

    The place of the first that ended, None if none did. What anything that ended raises is raised.
    """
    tasks = [asyncio.ensure_future(item.wait() if isinstance(item, asyncio.Event) else item) for item in work]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        ended = [place for place, task in enumerate(tasks) if task.done()]
        for place in ended:
            tasks[place].result()
        return ended[0] if ended else None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
