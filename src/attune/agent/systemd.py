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


async def feed_watchdog() -> None:
    """Tell the manager twice in the time it allows that the event loop turns; returns at once where nobody asks."""
    allowed = variable("WATCHDOG_USEC") or ""
    seconds = int(allowed) / 2_000_000 if allowed.isdigit() else 0.0
    while seconds > 0 and notify("WATCHDOG=1"):  # noqa: ASYNC110 - nothing else can say that the loop turns
        await asyncio.sleep(seconds)
