"""Stores rows of which some are refused: those are set aside, in the table `dead_letter`."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection

from attune.core.errors import DatabaseError
from attune.postgres.faults import database_error

R = TypeVar("R")


async def store_each(
    connection: AsyncConnection[Any],
    rows: Sequence[R],
    store: Callable[[R], Awaitable[object]],
    kind: str,
    source: Callable[[R], object],
    tries: int,
) -> list[tuple[R, DatabaseError]]:
    """Store *rows*, each in a savepoint of its own, and set aside those that are at fault, which are returned.

    Raises the error of any other row, `DatabaseError`.
    """
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    refused = []
    for row in rows:
        try:
            async with connection.transaction():
                await store(row)
        except psycopg.Error as problem:
            error = database_error(problem)
            if not error.may_be_of_a_row(tries):
                raise error from problem
            refused.append((row, error))
    unsure = [error for _, error in refused if not error.row_fault]
    if unsure and len(refused) == len(rows):
        raise unsure[0]
    query = "INSERT INTO dead_letter (kind, source, body, reason, sqlstate, times) VALUES (%s, %s, %s, %s, %s, %s)"
    for row, error in refused:
        body = json.dumps(asdict(row))  # type: ignore[call-overload]
        await connection.execute(query, (kind, str(source(row)), body, str(error), error.sqlstate, tries + 1))
    return refused
