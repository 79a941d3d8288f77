"""The connections of migrations: one that only reads, and one that is alone among all that migrate a database."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from attune.core.errors import DatabaseError
from attune.postgres.connection import translated

Result = TypeVar("Result")
_WAIT_SECONDS = 60
LOCK_SECONDS = 0.8  # while a migration waits for a table, everybody else waits behind it
_LOOK_SECONDS = 0.4
BEGIN = (
    f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL client_min_messages = warning",
    # Rows are kept as JSON, where a time must read the same whoever migrates.
    "SET LOCAL timezone = 'UTC'",
    # Any constant will do, as long as every version of Attune uses the same: "attune" in ASCII.
    f"SELECT pg_advisory_xact_lock({0x617474756E65})",
)
"""What a migration begins with; the last statement waits until no other migrates this database."""
_MAY_MIGRATE = (
    "connect as the role that owns the schema, or have an administrator run what `attune db migrate --sql` prints"
)


class _LockedError(DatabaseError):
    """Another session has a lock that a migration needs."""


def until_unlocked(work: Callable[[], Result]) -> Result:
    """Do *work*, again and again for a minute while others lock what it needs: between two attempts they go on."""
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return work()
        except _LockedError:
            if time.monotonic() >= end:
                raise
        time.sleep(LOCK_SECONDS)


@contextmanager
def looking(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that only reads. Raises `DatabaseError` if the database refuses."""
    with translated(url), psycopg.connect(url, application_name="attune migrate") as connection:
        connection.read_only = True
        yield connection


@contextmanager
def changing(url: str, *, what: str = "migrate", hint: str = _MAY_MIGRATE) -> Iterator[psycopg.Connection[Any]]:
    """A connection in the one transaction of a migration, alone among all that migrate this database.

    Committed if the block ends, rolled back if it raises. Raises `DatabaseError` if the database refuses.
    """
    blockers: list[str] = []
    try:
        with (
            psycopg.connect(url, application_name="attune migrate") as connection,
            _watched(url, connection.info.backend_pid, blockers),
        ):
            # What another migration has just committed must be seen, whatever the role's default level is.
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            for statement in BEGIN:
                connection.execute(statement)
            yield connection
    except psycopg.Error as error:
        raise _refusal(error, what, hint, blockers) from error


_BLOCKERS = """
SELECT format('process %%s (%%s of %%s, in its transaction since %%s, statement begun %%s: %%s)', pid,
    coalesce(nullif(application_name, ''), 'no name'), usename, xact_start::timestamptz(0),
    query_start::timestamptz(0), left(regexp_replace(query, '\\s+', ' ', 'g'), 80))
FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY xact_start
"""


@contextmanager
def _watched(url: str, process: int, blockers: list[str]) -> Iterator[None]:
    """Keep in *blockers* who has last kept the session *process* waiting, as a second connection sees it."""
    done = Event()

    def look() -> None:
        while not done.wait(_LOOK_SECONDS):
            with suppress(psycopg.Error), psycopg.connect(url, application_name="attune migrate") as other:
                blockers[:] = [said for (said,) in other.execute(_BLOCKERS, [process])] or blockers

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _refusal(error: psycopg.Error, what: str, hint: str, blockers: Sequence[str] = ()) -> DatabaseError:
    said = _sentence(error)
    if isinstance(error, errors.LockNotAvailable | errors.DeadlockDetected):
        return _LockedError(
            f"the database stayed locked by {' and '.join(blockers) or 'another session'} for {_WAIT_SECONDS} seconds;"
            " nothing was changed",
            hint="stop the services that use it, or wait for the other migration, then migrate again",
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return DatabaseError(f"the database role may not {what}: {said}; nothing was changed", hint=hint)
    # Without a code from the server, the connection could not be made or was lost.
    if error.sqlstate is None:
        return DatabaseError(f"the database cannot be reached: {said}")
    return DatabaseError(
        f"the database refused the migration: {said}; nothing was changed", hint=error.diag.message_hint
    )


def _sentence(error: psycopg.Error) -> str:
    """The first line of what PostgreSQL said, with its detail."""
    lines = str(error).strip().splitlines()
    text = error.diag.message_primary or (lines[0] if lines else type(error).__name__)
    return f"{text} ({error.diag.message_detail})" if error.diag.message_detail else text
