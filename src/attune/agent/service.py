"""Run a node in this process until a signal says stop; systemd is told how it is, as sd_notify(3) describes it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from attune.agent.control import Control, obey_signals, obey_supervisor
from attune.agent.node import NodeOptions, NodeParts, run_node
from attune.config import Settings, variable
from attune.core.nodes.role import Role
from attune.core.ports.nodes import Overdue


async def run_service(node: NodeParts, supervisor: socket.socket | None = None) -> None:
    """Run *node* until SIGTERM or SIGINT (SIGHUP reloads), or until *supervisor* says so, which is told when it is up.

    Raises the error that ends the node.
    """
    control = Control()
    obey_signals(control)
    if supervisor is None:
        async with under_manager():
            await run_node(node, control, lambda _: notify("READY=1"))
    else:
        tell = obey_supervisor(control, supervisor)
        await run_node(node, control, lambda registration: tell(registration.name))


@asynccontextmanager
async def under_manager() -> AsyncIterator[None]:
    """Tell the service manager that this process lives and, in the end, that it stops."""
    watchdog = asyncio.create_task(feed_watchdog())
    try:
        yield
    finally:
        notify("STOPPING=1")
        watchdog.cancel()
        await asyncio.gather(watchdog, return_exceptions=True)


def node_options(settings: Settings, role: Role, heal: Callable[[], Awaitable[None]]) -> NodeOptions:
    """How *settings* want nodes of *role* to behave."""
    heartbeat = settings.heartbeat
    return NodeOptions(
        interval=heartbeat.interval,
        drain_timeout=settings.node(role.name).drain_timeout,
        overdue=Overdue(heartbeat.stale_after, heartbeat.lost_after, heartbeat.amnesty, heartbeat.interval / 2),
        heal=heal,
    )


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
