"""What concerns the rights of roles runs on all supported versions of PostgreSQL that are here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from databases import create_database, drop_database, with_database
from system_servers import running_server, system_binaries

ON_ALL = ("test_roles", "test_audit")
"""Modules whose tests run on older servers too."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "migrated_database" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in ON_ALL:
        metafunc.parametrize("older", [None, 14, 15], ids=["shipped", "14", "15"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def older(request: pytest.FixtureRequest, migrate_hook: Callable[[str], object]) -> Iterator[str | None]:
    """The URL of a migrated database on an older server; None for the shipped one."""
    version = getattr(request, "param", None)
    if version is None:
        yield None
        return
    with running_server(system_binaries(version)) as server:
        url = create_database(server.url("postgres"))
        migrate_hook(url)
        yield url


@pytest.fixture
def migrated_database(request: pytest.FixtureRequest, older: str | None) -> Iterator[str]:
    """The URL of a database with Attune's schema that only this test uses."""
    server = request.getfixturevalue("server_url") if older is None else with_database(older, "postgres")
    template = (
        request.getfixturevalue("template_database") if older is None else older.partition("?")[0].rpartition("/")[2]
    )
    url = create_database(server, template=template)
    yield url
    drop_database(server, url)
