"""Telling systemd how the service is: the datagrams of sd_notify(3), without its library."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from attune.config import variable


def notify(state: str) -> bool:
    """Send *state* ("READY=1"); False where no service manager listens, or it could not be told."""
    address = variable("NOTIFY_SOCKET")
    if not address or address[0] not in "/@":
        return False
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect("\0" + address[1:] if address[0] == "@" else address)
        channel.sendall(state.encode())
        return True
    return False


def watchdog_seconds() -> float | None:
    """How often the manager wants to hear of this process, in seconds: half of what it allows. None: not at all."""
    allowed = variable("WATCHDOG_USEC") or ""
    return int(allowed) / 2_000_000 if allowed.isdigit() and int(allowed) > 0 else None


async def feed_watchdog() -> None:
    """Tell the manager again and again that the event loop turns; returns at once where nobody asks."""
    seconds = watchdog_seconds()
    while seconds is not None and notify("WATCHDOG=1"):  # noqa: ASYNC110 - nothing else can say that the loop turns
        await asyncio.sleep(seconds)
