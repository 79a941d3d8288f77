"""One transaction in which a database is looked at or migrated, and PostgreSQL's refusals as our error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attune.core.errors import DatabaseError
from attune.postgres.connection import translated

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Connection

# Any constant will do, as long as every version of Attune uses the same: "attune" in ASCII.
LOCK = 0x617474756E65
LOCK_SQL = f"SELECT pg_advisory_xact_lock({LOCK})"
_WAIT_SECONDS = 60
SETTINGS = (
    f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL client_min_messages = warning",
    # Rows are kept as JSON, where a time must read the same whoever migrates.
    "SET LOCAL timezone = 'UTC'",
)


@contextmanager
def looking(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that only reads. Raises `DatabaseError` if the database refuses."""
    import psycopg

    with translated(url), psycopg.connect(url, application_name="attune migrate") as connection:
        connection.read_only = True
        yield connection


@contextmanager
def changing(url: str) -> Iterator[Connection]:
    """A connection in the one transaction of a migration, alone among all that migrate this database.

    SQLAlchemy's, since Alembic wants one; `driver` gives the psycopg connection in it. Committed if the block ends,
    rolled back if it raises. Raises `DatabaseError` if the database refuses.
    """
    import psycopg
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    # libpq reads the URL: SQLAlchemy would not understand a socket folder with a space in it.
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url, application_name="attune migrate"),
        poolclass=NullPool,
        # What another migration has just committed must be seen, whatever the role's default level is.
        isolation_level="READ COMMITTED",
    )
    with _refusals_as_errors(), engine.begin() as connection:
        for setting in SETTINGS:
            driver(connection).execute(setting)
        driver(connection).execute(LOCK_SQL)
        yield connection


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection inside SQLAlchemy's, in the same transaction."""
    import psycopg

    inner = connection.connection.driver_connection
    assert isinstance(inner, psycopg.Connection)
    return inner


@contextmanager
def _refusals_as_errors() -> Iterator[None]:
    import psycopg
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        raise _refusal(error.orig) from error
    except psycopg.Error as error:
        raise _refusal(error) from error


def _refusal(error: psycopg.Error) -> DatabaseError:
    from psycopg import errors

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
