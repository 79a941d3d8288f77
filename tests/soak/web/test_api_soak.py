"""The API against far more generated requests than the suite has time for, with other seeds each time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import seed

from attune.core.access.tokens import Scope
from databases import create_database, drop_database
from filled_database import inhabit, known_values
from live_api import Live, live_api
from schema_walk import WALKED, walk

EXAMPLES = 600


@pytest.fixture(scope="module")
def served(server_url: str, template_database: str) -> Iterator[tuple[Live, str]]:
    url = create_database(server_url, template=template_database)
    inhabit(url)
    with live_api(url) as live:
        yield live, url
    drop_database(server_url, url)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("label", sorted(WALKED, key=lambda label: not label.startswith("GET ")))
def test_every_answer_is_as_documented(served: tuple[Live, str], label: str) -> None:
    live, url = served
    chosen = int(time.time())
    print(f"\n{label}: {EXAMPLES} requests, seed {chosen}")

    walk(label, live.address, live.tokens[Scope.ADMIN], known_values(url), EXAMPLES, seeded=seed(chosen))
