"""A throwaway PostgreSQL for the migration tests: one server for each run of a worker process, one database a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from attune.postgres.migrations.run import upgrade
from effort import is_soak
from schema_dump import HERE
from system_servers import Server, running_server, shipped_binaries, system_binaries

ON_BOTH = ("test_fresh", "test_adoption", "test_stages")
"""Modules whose tests run on the oldest supported PostgreSQL too; in soak all do."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        both = is_soak() or metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        servers = ["shipped", "debian-15"] if both else ["shipped"]
        metafunc.parametrize("server", servers, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running_server(shipped_binaries() if request.param == "shipped" else system_binaries(15)) as running:
        yield running


_numbers = itertools.count()


@dataclass(frozen=True)
class Database:
    """One database of a server."""

    server: Server
    name: str
    user: str = "postgres"

    @property
    def url(self) -> str:
        return self.server.url(self.name, self.user)

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, sql: str, *parameters: Any) -> Any:
        return self.query(sql, *parameters)[0][0]

    def psql(self, text: str) -> str:
        return self.server.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url, text=text)


@pytest.fixture
def new_database(server: Server) -> Iterator[Any]:
    made: list[str] = []

    def make(template: str = "template1") -> Database:
        name = f"t{next(_numbers)}"
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        made.append(name)
        return Database(server, name)

    yield make
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(new_database: Any) -> Database:
    return new_database()


@pytest.fixture(scope="session")
def legacy_template(server: Server) -> str:
    """The name of an existing installation's database before its runtimes were unified, with rows of every kind."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE legacy")
    Database(server, "legacy").psql((HERE / "legacy_schema.sql").read_text() + (HERE / "legacy_rows.sql").read_text())
    return "legacy"


@pytest.fixture(scope="session")
def june_template(server: Server) -> str:
    """The name of an existing installation's database as of June 2026, with rows of every kind."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE june")
    names = ("legacy_schema.sql", "june_schema.sql", "june_rows.sql")
    Database(server, "june").psql("".join((HERE / name).read_text() for name in names))
    return "june"


@pytest.fixture
def june(new_database: Any, june_template: str) -> Database:
    return new_database(june_template)


@pytest.fixture(scope="session")
def unified_template(server: Server, legacy_template: str) -> str:
    """The name of the same database after an upgrade."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE unified TEMPLATE {legacy_template}")
    upgrade(server.url("unified"))
    return "unified"


@pytest.fixture
def legacy(new_database: Any, legacy_template: str) -> Database:
    return new_database(legacy_template)


@pytest.fixture
def unified(new_database: Any, unified_template: str) -> Database:
    return new_database(unified_template)
