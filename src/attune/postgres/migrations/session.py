"""One transaction in which a database is looked at or migrated, and PostgreSQL's refusals as our error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from attune.core.errors import DatabaseError
from attune.postgres.connection import translated

_WAIT_SECONDS = 60
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


@contextmanager
def looking(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that only reads. Raises `DatabaseError` if the database refuses."""
    with translated(url), psycopg.connect(url, application_name="attune migrate") as connection:
        connection.read_only = True
        yield connection


@contextmanager
def changing(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection in the one transaction of a migration, alone among all that migrate this database.

    Committed if the block ends, rolled back if it raises. Raises `DatabaseError` if the database refuses.
    """
    try:
        with psycopg.connect(url, application_name="attune migrate") as connection:
            # What another migration has just committed must be seen, whatever the role's default level is.
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            for statement in BEGIN:
                connection.execute(statement)
            yield connection
    except psycopg.Error as error:
        raise _refusal(error) from error


def _refusal(error: psycopg.Error) -> DatabaseError:
    said = _sentence(error)
    if isinstance(error, errors.LockNotAvailable):
        return DatabaseError(
            f"the database stayed locked by another session for {_WAIT_SECONDS} seconds; nothing was changed",
            hint="stop the services that use it, or wait for the other migration, then migrate again",
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return DatabaseError(
            f"the database role may not migrate: {said}; nothing was changed",
            hint="connect as the role that owns the schema, or have an administrator run what"
            " `attune db migrate --sql` prints",
        )
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
