"""Logins of the three roles on a test's database, made as `attune db grant` makes them, and removed with it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from attune.core.ports.nodes import Overdue
from attune.postgres.migrations.logins import LoginRole, grant_login


class Logins:
    """URLs for *url* by role and name. Names get a suffix in the server's list of roles, which all tests share."""

    def __init__(self, url: str) -> None:
        self.owner = url
        self._suffix = uuid.uuid4().hex[:8]
        self._made: list[str] = []

    def name(self, name: str) -> str:
        return f"{name}-{self._suffix}"

    def url(self, name: str, role: LoginRole = "node", overdue: Overdue = Overdue()) -> str:  # noqa: B008 - frozen
        url = grant_login(self.owner, self.name(name), role, overdue, with_password=False)
        self._made.append(str(conninfo_to_dict(url)["user"]))
        return url

    def drop(self) -> None:
        with psycopg.connect(self.owner, autocommit=True) as connection:
            for login in dict.fromkeys(self._made):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (login,)
                )
                for verb in ("DROP OWNED BY {}", "DROP ROLE {}"):
                    connection.execute(sql.SQL(verb).format(sql.Identifier(login)))


@pytest.fixture
def logins(migrated_database: str) -> Iterator[Logins]:
    """Makes logins of the three roles."""
    made = Logins(migrated_database)
    yield made
    made.drop()
