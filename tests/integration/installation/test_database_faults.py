"""The kinds that PostgreSQL's errors fall into, by SQLSTATE."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from attune.core.errors import DatabaseError, DatabaseFault
from attune.postgres.connection import open_pool
from attune.postgres.faults import database_error
from attune.postgres.rows import read_value

UNAVAILABLE, CONFLICT, REJECTED = DatabaseFault.UNAVAILABLE, DatabaseFault.CONFLICT, DatabaseFault.REJECTED
NEVER_THE_ROWS = {
    "08006": UNAVAILABLE,
    "25006": UNAVAILABLE,
    "28P01": UNAVAILABLE,
    "40001": CONFLICT,
    "40P01": CONFLICT,
    "42501": UNAVAILABLE,
    "42P01": UNAVAILABLE,
    "53100": UNAVAILABLE,
    "53200": UNAVAILABLE,
    "53300": UNAVAILABLE,
    "55P03": CONFLICT,
    "57014": UNAVAILABLE,
    "57P01": UNAVAILABLE,
    "57P03": UNAVAILABLE,
    "58030": UNAVAILABLE,
}


def test_what_the_driver_warns_of_is_no_line_beside_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    script = (
        "import logging; import attune.postgres.connection; logging.getLogger('psycopg').warning('said the driver')"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

    assert capfd.readouterr().err == ""


def test_a_command_does_not_wait_for_a_lock_without_end(migrated_database: str) -> None:
    async def count() -> None:
        async with open_pool(migrated_database, lock_seconds=0.1) as pool:
            await read_value(pool, "SELECT count(*) FROM worker")

    with psycopg.connect(migrated_database) as connection:
        connection.execute("LOCK TABLE worker")
        with pytest.raises(DatabaseError, match="due to lock timeout") as caught:
            asyncio.run(count())
    assert caught.value.hint == "find what holds the lock, or try again"


@pytest.mark.parametrize("sqlstate", NEVER_THE_ROWS)
def test_what_ails_the_database_is_never_the_fault_of_a_row(sqlstate: str) -> None:
    error = database_error(psycopg.errors.lookup(sqlstate)("said the server"))

    assert (error.fault, error.sqlstate) == (NEVER_THE_ROWS[sqlstate], sqlstate)
    assert not error.may_be_of_a_row(1000)


@pytest.mark.parametrize("sqlstate", ["22001", "22P05", "23502", "23514", "54000", "P0001"])
def test_what_ails_a_row_is_its_own_fault_at_once(sqlstate: str) -> None:
    error = database_error(psycopg.errors.lookup(sqlstate)("said the server"))

    assert (error.fault, error.may_be_of_a_row(0)) == (REJECTED, True)


@pytest.mark.parametrize("sqlstate", ["XX000", "42883", "0A000"])
def test_any_other_refusal_may_be_of_a_row_after_five_times(sqlstate: str) -> None:
    error = database_error(psycopg.errors.lookup(sqlstate)("said the server"))

    assert (error.fault, error.may_be_of_a_row(4), error.may_be_of_a_row(5)) == (REJECTED, False, True)


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), psycopg.InterfaceError("closed"), PoolTimeout()])
def test_where_no_server_answers_it_is_away(error: Exception) -> None:
    made = database_error(error, " (here)")

    assert str(made).startswith("cannot reach the database (here): ")
    assert (made.fault, made.sqlstate, made.may_be_of_a_row(5)) == (UNAVAILABLE, "", False)


def test_a_value_that_the_driver_refuses_is_its_own_fault() -> None:
    assert database_error(psycopg.DataError("text cannot contain NUL")).may_be_of_a_row(0)
