"""Waiting for what other processes do, and looking at the database meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg


def wait_for(condition: Callable[[], Any], seconds: float = 100) -> Any:
    """What *condition* gives as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {seconds} s")


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def status(url: str, role: str = "action") -> dict[str, str]:
    """The nodes of a role and their status."""
    return dict(rows(url, f"SELECT name, status::text FROM worker WHERE worker_role = '{role}'"))
