"""Connections to PostgreSQL, and its errors as sentences."""

import asyncio
import logging
import os
import select
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from math import ceil
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from attune.core.errors import DatabaseError
from attune.postgres.faults import database_error, first_line

# What it warns of, attempt by attempt, is raised as an error where it matters, and would be no line of our log.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)

Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]

# A dead peer is noticed in about 25 s, on this side and, set in each session, on the server's.
_KEEPALIVE = {
    **{"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3},
    "tcp_user_timeout": 25_000,
}
_SERVER_KEEPALIVE = """
    SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
           set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '25000', false)
"""
_MADE: WeakKeyDictionary[Pool, WeakSet[AsyncConnection[Any]]] = WeakKeyDictionary()


def without_password(url: str) -> str:
    """*url* as it may be shown: host, port, database and user."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "the configured database"
    host = parts.get("host") or "the default socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"database {parts.get('dbname') or 'of the same name as the user'} on {host}{port}"


def node_conninfo(url: str, application_name: str) -> str:
    """*url* with what every connection of a node has: its name, and keepalives."""
    try:
        return make_conninfo(url, application_name=application_name[:63], **_KEEPALIVE)
    except psycopg.ProgrammingError as error:
        raise DatabaseError(
            "database.url: expected a URL such as postgresql://user@host/attune, "
            f"got something that cannot be read: {first_line(error)}"
        ) from error


@contextmanager
def translated(url: str = "") -> Iterator[None]:
    """Turn PostgreSQL's errors into `DatabaseError`, as `faults` has them."""
    try:
        yield
    except (psycopg.Error, PoolTimeout) as error:
        raise database_error(error, f" ({without_password(url)})" if url else "") from error


def with_connect_timeout(url: str, seconds: float) -> str:
    """*url* with its own `connect_timeout`, or else with *seconds*, rounded up as libpq wants it. Others are kept."""
    if "connect_timeout=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}connect_timeout={ceil(seconds)}"


def with_schema(url: str, schema: str | None) -> str:
    """*url* so that whatever connects with it works in *schema* alone; as it is where that is None."""
    if schema is None:
        return url
    option = f"options=-csearch_path%3D{schema}"
    if "options=" in url:
        return url.replace("options=", f"{option}%20", 1)
    return f"{url}{'&' if '?' in url else '?'}{option}"


async def connect(url: str, *, application_name: str = "attune") -> AsyncConnection[Any]:
    """One connection of its own. Raises `DatabaseError`."""
    with translated(url):
        connection = await AsyncConnection.connect(node_conninfo(url, application_name), autocommit=True)
        await _prepare(connection)
        return connection


async def _prepare(connection: AsyncConnection[Any]) -> None:
    """Have times come in a form that is read here, and the server notice that this side is gone."""
    if not (connection.info.parameter_status("DateStyle") or "").startswith("ISO"):
        await connection.execute("SET datestyle = 'ISO'")
    if not (connection.info.host or "/").startswith(("/", "@")):
        await connection.execute(_SERVER_KEEPALIVE)


def cut(connection: AsyncConnection[Any]) -> None:
    """End the connection under whoever waits for it, who gets an error; a cancelled statement would wait on."""
    if not connection.closed:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as channel:
            channel.shutdown(socket.SHUT_RDWR)


def cut_all(pool: Pool) -> None:
    """End all connections of *pool*, as `cut` does; it makes new ones."""
    for connection in [*_MADE.get(pool, ())]:
        cut(connection)


@asynccontextmanager
async def listening(pool: Pool, channels: Iterable[str], application_name: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection beside *pool* that listens to *channels*; also what the block raises of it is a `DatabaseError`."""
    connection = await connect(await conninfo_of(pool), application_name=application_name)
    try:
        with translated():
            for channel in channels:
                await connection.execute(f'LISTEN "{channel}"'.encode())
            yield connection
    finally:
        await connection.close()


async def conninfo_of(pool: Pool) -> str:
    """What *pool* connects with, so that a connection of its own can be made beside it."""
    configured = pool.conninfo() if callable(pool.conninfo) else pool.conninfo
    arguments = pool.kwargs() if callable(pool.kwargs) else pool.kwargs
    conninfo = configured if isinstance(configured, str) else await configured
    keywords = arguments if arguments is None or isinstance(arguments, dict) else await arguments
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    return make_conninfo(conninfo, **{key: value for key, value in (keywords or {}).items() if key in known})


async def _check_if_suspect(connection: AsyncConnection[Any]) -> None:
    """Ask the server only where its socket has something to say, as one has whose server is gone.

    A round trip before every statement would cost as much as the statement.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)


@asynccontextmanager
async def session(pool: Pool) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of *pool*. One that turns out to be read-only is closed: a session stays as it began."""
    async with pool.connection() as connection:
        try:
            yield connection
        except psycopg.errors.ReadOnlySqlTransaction:
            await connection.close()
            raise


class _CancellablePool(AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]):
    """A pool that loses no cancellation: `asyncio.wait_for` before Python 3.12 does, as a connection comes free."""

    async def getconn(self, timeout: float | None = None) -> AsyncConnection[tuple[Any, ...]]:  # noqa: ASYNC109
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        connection = await super().getconn(timeout)
        if task and task.cancelling() > before:
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection


@asynccontextmanager
async def open_pool(
    url: str, *, application_name: str = "attune", size: int = 4, lock_seconds: float | None = None
) -> AsyncIterator[Pool]:
    """A pool of at most *size* connections, each in autocommit. Raises `DatabaseError` if the first one fails.

    A statement that waits *lock_seconds* for a lock is given up.
    """

    made: WeakSet[AsyncConnection[Any]] = WeakSet()

    async def configure(connection: AsyncConnection[Any]) -> None:
        made.add(connection)
        await _prepare(connection)
        if lock_seconds is not None:
            await connection.execute(f"SET lock_timeout = '{lock_seconds}s'".encode())

    probe = await connect(url, application_name=application_name)
    await probe.close()
    pool: Pool = _CancellablePool(
        node_conninfo(url, application_name),
        min_size=1,
        max_size=size,
        open=False,
        timeout=10.0,
        kwargs={"autocommit": True},
        check=_check_if_suspect,
        configure=configure,
    )
    _MADE[pool] = made
    try:
        await pool.open()
        yield pool
    finally:
        await pool.close(timeout=2.0)
