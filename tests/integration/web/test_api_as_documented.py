"""Every answer is as the OpenAPI document says, whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from attune.core.access.tokens import Scope
from databases import create_database, drop_database
from effort import share
from filled_database import inhabit, known_values
from live_api import Live, live_api
from schema_walk import WALKED, walk

EXAMPLES = share(40)
# The generator of cases uses the module `random` inside its own strategies.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")


@pytest.fixture(scope="module")
def pristine_database(server_url: str, template_database: str) -> Iterator[str]:
    """Has rows, and nobody uses it: each test of a change gets a copy."""
    url = create_database(server_url, template=template_database)
    inhabit(url)
    yield url
    drop_database(server_url, url)


@pytest.fixture(scope="module")
def inhabited_database(server_url: str, pristine_database: str) -> Iterator[str]:
    url = create_database(server_url, template=str(conninfo_to_dict(pristine_database)["dbname"]))
    yield url
    drop_database(server_url, url)


@pytest.fixture(scope="module")
def reading(inhabited_database: str) -> Iterator[Live]:
    with live_api(inhabited_database) as live:
        yield live


@pytest.mark.parametrize("label", [label for label in WALKED if label.startswith("GET ")])
def test_what_is_read_is_as_documented(reading: Live, inhabited_database: str, label: str) -> None:
    walk(label, reading.address, reading.tokens[Scope.ADMIN], known_values(inhabited_database), EXAMPLES)


@pytest.mark.parametrize("label", [label for label in WALKED if not label.startswith("GET ")])
def test_what_is_changed_is_as_documented(server_url: str, pristine_database: str, label: str) -> None:
    own = create_database(server_url, template=str(conninfo_to_dict(pristine_database)["dbname"]))
    try:
        with live_api(own) as live:
            walk(label, live.address, live.tokens[Scope.ADMIN], known_values(own), EXAMPLES)
    finally:
        drop_database(server_url, own)
