"""What people and signals ask of a running node."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from attune.agent.logs import log, wait_for_log

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Control:
    """`stop` ends the node; `reload` asks it to read the definitions again, and is cleared when it does."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)


def obey_signals(controls: Sequence[Control]) -> None:
    """SIGTERM, SIGINT and a terminal that goes stop (a second signal at once, whatever runs), SIGHUP reloads."""
    had_terminal = _has_terminal()

    def stop(number: int) -> None:
        if any(control.stop.is_set() for control in controls):
            log.warning("stopping now, on the second signal")
            wait_for_log(0.2)
            os._exit(128 + number)
        log.info("stopping", signal=signal.Signals(number).name)
        for control in controls:
            control.stop.set()

    def reload() -> None:
        if had_terminal and not _has_terminal():
            if not any(control.stop.is_set() for control in controls):
                stop(signal.SIGHUP)
            return
        log.info("reloading", signal="SIGHUP")
        for control in controls:
            control.reload.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, reload)


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
