"""The pages without a browser: what they say without JavaScript, and what hostile text does to them."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from attune.core.access.tokens import Scope, csrf_of
from attune.core.ports.executions import NewExecution
from attune.core.runtimes.verdict import Status
from attune.web.access import SESSION_COOKIE
from pack_folders import load, write_pack
from page_reading import HOSTILE, active_parts, get, session_of
from registered_nodes import register, verdict
from web_client import Api, with_api

PAGES = [
    "/",
    "/?columns=all",
    "/?role=sensor",
    "/runtimes",
    "/runtimes/core.python",
    "/match?needs=python",
    "/activity",
]


def test_the_fleet_shows_versions_states_and_how_many_remain(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        pool, session = api.pool, await session_of(api)
        await register(pool, "w1", verdict("python", "3.11.7"), verdict("node", "20.1.0"))
        await register(pool, "w2", verdict("python", "3.9.2"), verdict("node", status=Status.UNKNOWN))
        whole = await get(api, session, "/")
        some = await get(api, session, "/?needs=python+%3E%3D3.10%3B+node")
        wrong = await get(api, session, "/?needs=python+%3E%3E3")

        assert re.search(r"3\.11\.7.*3\.9\.2", whole, re.S)
        assert ("2 workers." in whole, "1 worker match." in some, "w2" in some) == (True, True, False)
        assert "^ expected" in wrong
        assert 'class="shade1"' in whole

    with_api(migrated_database, check)


@pytest.mark.parametrize("path", [*PAGES, "/workers/{id}", "/nothing", "/workers/999"])
def test_what_others_wrote_stays_text_on_every_page(migrated_database: str, path: str) -> None:
    async def check(api: Api) -> None:
        pool, session = api.pool, await session_of(api)
        hostile = verdict("python", HOSTILE, reason=HOSTILE)
        number = await register(pool, HOSTILE, hostile, labels={"zone": HOSTILE}, taints=[HOSTILE])
        async with pool.connection() as connection:
            await connection.execute("UPDATE runtime SET name = %s, description = %s", (HOSTILE, HOSTILE))
            await connection.execute(
                "INSERT INTO runtime_transition (worker, runtime_ref, name, from_status, to_status, reason)"
                " VALUES (%s, %s, %s, 'available', 'unavailable', %s)",
                (number, HOSTILE, HOSTILE, HOSTILE),
            )
        asked = path.format(id=number) + ("&" if "?" in path else "?") + "q=%3Cscript%3E&needs=%3Cscript%3E"
        headers = {"Cookie": f"{SESSION_COOKIE}={session}", "Accept": "text/html"}
        text = (await api.http.get(asked, headers=headers)).text

        assert text.startswith("<!doctype html>")
        assert active_parts(text) == []

    with_api(migrated_database, check)


@pytest.mark.parametrize("path", PAGES)
def test_whoever_is_not_logged_in_is_led_to_the_login_and_back(migrated_database: str, path: str) -> None:
    async def check(api: Api) -> None:
        answer = await api.http.get(path)
        entered = await api.http.post(answer.headers["location"], data={"token": api.tokens[Scope.READ], "next": path})

        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=%2F")
        assert entered.headers["location"] == path

    with_api(migrated_database, check)


def test_a_reader_sees_no_buttons_and_may_not_use_them(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        number = await register(api.pool, "w1", verdict("python", "3.11.7"))
        statuses = {}
        for scope in (Scope.READ, Scope.OPERATE):
            session = await session_of(api, scope)
            text = await get(api, session, f"/workers/{number}")
            form = {"csrf": csrf_of(session)}
            headers = {"Cookie": f"{SESSION_COOKIE}={session}"}
            done = await api.http.post(f"/workers/{number}/drain", data=form, headers=headers)
            statuses[scope] = ("/drain" in text, done.status_code)
        forged = await api.http.post(f"/workers/{number}/resume", data={"csrf": "0"}, headers=headers)

        assert statuses == {Scope.READ: (False, 403), Scope.OPERATE: (True, 303)}
        assert forged.status_code == 403
        assert "Resume" in await get(api, session, f"/workers/{number}")

    with_api(migrated_database, check)


def test_what_a_page_loads_may_be_kept_for_ever_and_has_its_type(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        text = await get(api, await session_of(api), "/")
        found = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', text))
        types = {}
        for address in found:
            answer = await api.http.get(address)
            assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
            types[address.rpartition(".")[2]] = answer.headers["content-type"].partition(";")[0]

        assert types == {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
        for outside in ("/static/x/..%2fpages.py", "/static/x/%2e%2e", "/static/x/none.css"):
            assert (await api.http.get(outside)).status_code == 404

    with_api(migrated_database, check)


def test_an_empty_fleet_says_what_to_do(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        session = await session_of(api)

        assert "attune worker start" in await get(api, session, "/")
        assert "as it happens" in await get(api, session, "/activity")

    with_api(migrated_database, check)


def test_the_fleet_is_filtered_by_label_and_grouped_by_any(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        pool, session = api.pool, await session_of(api)
        await register(pool, "w1", verdict("python", "3.11.7"), labels={"zone": "us", "odd=key": HOSTILE})
        await register(pool, "w2", verdict("python", "3.11.7"), labels={"zone": "eu"})
        await register(pool, "w3", verdict("python", "3.9.2"))
        some = await get(api, session, "/?label=zone%3Deu")
        any_zone = await get(api, session, "/?label=zone&group=zone")
        grouped = await get(api, session, "/?group=zone&q=w")
        odd = await get(api, session, "/?group=odd%3Dkey")

        assert "1 worker match." in some and "w2" in some and "w1" not in some
        assert "2 workers match." in any_zone
        assert re.search(r"zone=eu <small>1<.*w2.*zone=us.*w1.*no zone.*w3", grouped, re.S)
        assert re.search(r"3\.11\.7</span> <small>2<.*3\.9\.2</span> <small>1<", whole_of(grouped))
        assert active_parts(odd) == []

    with_api(migrated_database, check)


def whole_of(text: str) -> str:
    """What the page says about how many have each version."""
    return " ".join(text.partition("How many have each version")[2].partition("</details>")[0].split())


def test_demand_that_nobody_can_serve_comes_first_with_what_would_help(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        pool, session = api.pool, await session_of(api)
        await register(pool, "w1", verdict("python", "3.11.7"))
        before = await get(api, session, "/")
        await load(pool, write_pack(tmp_path))
        action = await api.services.runs.action("img.resize")
        for _ in range(3):
            await api.services.runs.run(NewExecution(replace(action, requires=()), {"width": 1}, ("python >=3.12",)))
        await api.services.runs.run(NewExecution(replace(action, requires=()), {"width": 1}))
        text = unescape(await get(api, session, "/"))

        assert "Nobody can take it" not in before
        assert re.search(r"3 executions wait</a> since <time.*<code>core.python >=3.12.*nobody of 1 worker\.", text)
        assert re.search(r"What would help: <b>core.python >=3.11", text)
        assert "1 execution waits" not in text

    with_api(migrated_database, check)
