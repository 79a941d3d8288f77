"""The pages of packs and of what they bring, without a browser; and an action that is run by the form of its schema."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import psycopg

from attune.core.access.tokens import Scope, csrf_of
from attune.web.access import SESSION_COOKIE
from pack_folders import EVERY_FIELD, happen, load, write_pack
from page_reading import HOSTILE, active_parts, get, session_of
from web_client import Api, with_api

LISTS = ["packs", "actions", "rules", "triggers", "events", "sensor-definitions", "executions", "runtimes"]
VALUES = {
    "width": "12", "mode": '"fill"', "times": "2", "sharp": "false", "note": "", "tags": '["a"]', "token": "1234567",
}  # fmt: skip


async def seeded(api: Api, folder: Path, files: Any = EVERY_FIELD) -> str:
    await load(api.pool, write_pack(folder, files))
    await happen(api.pool, "img.made", {"path": HOSTILE, "width": 200})
    return await session_of(api)


async def run(api: Api, session: str, values: dict[str, str], **more: str) -> tuple[int, str, str]:
    """What posting the form answers: the status, where it leads to, and the page."""
    form = {"csrf": csrf_of(session), **{f"parameters.{name}": text for name, text in values.items()}, **more}
    headers = {"Cookie": f"{SESSION_COOKIE}={session}", "Accept": "text/html"}
    answer = await api.http.post("/actions/img.resize/run", data=form, headers=headers)
    return answer.status_code, answer.headers.get("location", ""), unescape(answer.text)


ODD = ["events/0", f"events/{10**30}", "executions/-1", "actions/%F0%9F%92%A9", "runtimes/%0d%0a", "rules/%E2%80%AE"]


def errors_of(text: str) -> dict[str, list[str]]:
    """The sentences at each field of a page, by the field's name."""
    fields = re.findall(r'id="(p\d+)" name="parameters\.([^"]*)"', text)
    return {
        name: sentences
        for number, name in fields
        if (sentences := re.findall(r"! ([^<]+)", text.partition(f'id="{number}-about"')[2].partition("</div>")[0]))
    }


def test_every_list_leads_to_pages_that_lead_on(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        session = await seeded(api, tmp_path)
        told = {name: await get(api, session, f"/{name}") for name in LISTS}
        for name, text in told.items():
            entries = set(re.findall(rf'<th scope="row"><a href="(/{name}/[^"]+)"', text))
            assert entries, name
            for address in entries:
                page = await get(api, session, address)
                for inner in set(re.findall(r'href="(/[a-z-]+/[^"#?]+)"', page)):
                    if not inner.startswith("/static"):
                        await get(api, session, inner)

        assert "1 action, 1 trigger, 1 sensor, 1 rule" in told["packs"]
        assert "payload.width &gt; 100" in told["rules"]
        assert "actions/resize.py" in await get(api, session, "/packs/img")
        assert "Shrink what is wide" in await get(api, session, "/triggers/img.made")
        assert "no sensor node has registered" in await get(api, session, "/sensor-definitions/img.ticks")

    with_api(migrated_database, check)


def test_a_list_shows_what_holds_the_text_that_is_looked_for(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        session = await seeded(api, tmp_path)

        assert "img.shrink" in await get(api, session, "/rules?q=WIDE")
        assert "Nothing matches" in await get(api, session, "/rules?q=nowhere")
        assert "Nothing matches" in await get(api, session, "/executions?status=completed")

    with_api(migrated_database, check)


def test_an_empty_installation_says_what_brings_each(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        session = await session_of(api)
        for name in LISTS[1:-1]:
            assert re.search(
                r'class="empty"[^>]*>[^<]+<code>attune (pack load|event send|action run)',
                await get(api, session, f"/{name}"),
            )

    with_api(migrated_database, check)


SCHEMA = """
{"properties": {"a<b>": {"title": "<i>", "default": "<u>", "enum": ["<u>", 1]}, "c": 3, "d": {"type": 5}}}
"""


def test_what_a_pack_says_stays_text(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        session = await seeded(api, tmp_path)
        with psycopg.connect(migrated_database) as connection:
            for table in ("pack", "action", "rule", "trigger", "sensor"):
                connection.execute(f"UPDATE {table} SET label = %s, description = %s".encode(), (HOSTILE, HOSTILE))
            connection.execute("UPDATE action SET param_schema = %s", (SCHEMA,))
            connection.execute("UPDATE execution SET reason = %s", (HOSTILE,))
        for name in LISTS:
            text = await get(api, session, f"/{name}")
            entries = re.findall(rf'scope="row"><a href="(/{name}/[^"]+)"', text)
            assert entries, name
            for page in [text, *[await get(api, session, address) for address in entries]]:
                assert active_parts(page) == []
                assert "<script>alert" not in page
                assert not re.search(r"<[iu]>", page)

    with_api(migrated_database, check)


def test_what_is_not_there_is_said_to_be_missing(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        session = await session_of(api)
        headers = {"Cookie": f"{SESSION_COOKIE}={session}", "Accept": "text/html"}
        for address in [*(f"{name}/x.y" for name in LISTS), *ODD]:
            answer = await api.http.get(f"/{address}", headers=headers)

            assert (answer.status_code, "<h1>Not Found</h1>" in answer.text) == (404, True), address

    with_api(migrated_database, check)


def test_the_form_of_an_action_runs_it_with_the_values_that_were_meant(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        session = await seeded(api, tmp_path)
        page = await get(api, session, "/actions/img.resize")
        status, address, _ = await run(api, session, VALUES, require="zone=eu; !docker")
        execution = await api.services.runs.get(int(address.rpartition("/")[2]))
        asked = await api.services.runs.reader.asked(execution.id)
        few = await run(api, session, {"width": "3", "note": "a\r\nb"})
        short = await api.services.runs.get(int(few[1].rpartition("/")[2]))

        assert re.search(r'name="parameters.token"[^>]+type="password" value=""', page)
        assert re.search(r'<option value="&#34;fit&#34;" selected>fit</option>', page)
        assert "In pixels." in page and "integer, required" in page
        assert status == 303
        assert execution.parameters == {
            "width": 12, "mode": "fill", "times": 2, "sharp": False, "note": "", "tags": ["a"], "token": "***",
        }  # fmt: skip
        assert (asked is not None and asked.extra == ("zone=eu", "!docker")) or list(asked.extra) == [
            "zone=eu",
            "!docker",
        ]
        assert short.parameters == {"width": 3, "note": "a\nb", "mode": "fit"}

    with_api(migrated_database, check)


def test_the_form_says_when_and_how_long_too(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        session = await seeded(api, tmp_path)
        status, address, _ = await run(api, session, VALUES, priority="9", timeout=" 90s ", **{"in": "10m"})
        execution = await api.services.runs.get(int(address.rpartition("/")[2]))
        refused = [
            await run(api, session, VALUES, **{name: text})
            for name, text in {"priority": "10", "timeout": "soon", "in": "0"}.items()
        ]

        assert (status, execution.priority, execution.timeout_seconds) == (303, 9, 90)
        assert execution.not_before is not None
        assert [(status, re.findall(r'role="alert">! (.*?)</p>', page)) for status, _, page in refused] == [
            (422, ["priority: expected 0 to 9, got '10'"]),
            (422, ["time limit: expected a number above 0 and one of ms, s, m, h, d, got 'soon'"]),
            (422, ["start in: expected a number above 0 and one of ms, s, m, h, d, got '0'"]),
        ]
        assert 'name="timeout" value="soon"' in refused[1][2] and "<details open>" in refused[1][2]

    with_api(migrated_database, check)


REFUSED: list[tuple[dict[str, str], dict[str, list[str]]]] = [
    ({}, {"width": ["width: expected a value, got nothing"]}),
    ({"width": "wide"}, {"width": ["width: expected an integer, got 'wide'"]}),
    ({"width": "0"}, {"width": ["width: expected at least 1, got 0"]}),
    ({"width": "1", "tags": "a, b"}, {"tags": ["tags: expected JSON such as [\"a\", 1], got 'a, b'"]}),
    (
        {"width": "wide", "tags": "["},
        {
            "width": ["width: expected an integer, got 'wide'"],
            "tags": ["tags: expected JSON such as [\"a\", 1], got '['"],
        },
    ),
    ({"width": "1", "tags": "[1]"}, {"tags": ["tags[0]: expected a text, got 1"]}),
    ({"width": "1", "mode": '"odd"'}, {"mode": ["mode: expected one of 'fit', 'fill', got 'odd'"]}),
    (
        {"width": "1", "token": "abc"},
        {"token": ["token: expected a secret of 4 to 65536 characters, got a shorter one"]},
    ),
]


def test_what_does_not_fit_is_said_at_its_field_and_the_rest_stays(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        session = await seeded(api, tmp_path)
        for values, errors in REFUSED:
            status, _, text = await run(api, session, {"note": "kept <here>", **values}, require="zone=eu")

            assert (status, errors_of(text)) == (422, errors)
            assert text.count('aria-invalid="true"') == len(errors)
            assert 'value="kept <here>"' in text and 'value="zone=eu"' in text
            assert 'value="abc"' not in text

    with_api(migrated_database, check)


def test_terms_that_cannot_be_read_are_said_beside_theirs(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        session = await seeded(api, tmp_path)
        status, _, text = await run(api, session, VALUES, require="python >>3")

        assert (status, "^ expected" in text) == (422, True)
        assert 'id="run"' in await get(api, session, "/actions/img.resize/run")
        assert "1234567" not in text

    with_api(migrated_database, check)


OPEN: list[dict[str, Any]] = [
    {},
    {"additionalProperties": {"type": "integer"}, "properties": {"n": {"anyOf": [{"type": "integer"}]}}},
    {"properties": {"n": {"$ref": "#/$defs/n"}}, "additionalProperties": True, "$defs": {"n": {"type": "integer"}}},
]


def test_what_the_schema_does_not_name_is_given_as_json(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        session = await seeded(api, tmp_path)
        for schema in OPEN:
            with psycopg.connect(migrated_database) as connection:
                connection.execute("UPDATE action SET param_schema = %s", (json.dumps(schema),))
            status, address, text = await run(api, session, {"": '{"more": 1}', **({"n": "7"} if schema else {})})
            wrong = await run(api, session, {"": "3"})

            assert status == 303, errors_of(text)
            execution = await api.services.runs.get(int(address.rpartition("/")[2]))
            assert execution.parameters == {"more": 1, **({"n": 7} if schema else {})}
            assert errors_of(wrong[2]) == {"": [": expected JSON such as {\"a\": 1}, got '3'"]}

    with_api(migrated_database, check)


def test_only_an_operator_runs_switches_and_pauses(migrated_database: str, tmp_path: Path) -> None:
    async def check(api: Api) -> None:
        await seeded(api, tmp_path)
        verbs = {
            "rules/img.shrink": "disable",
            "sensor-definitions/img.ticks": "disable",
            "actions/img.resize": "pause",
        }
        for address, verb in verbs.items():
            back = {"disable": "enable", "pause": "resume"}[verb]
            for scope, status in ((Scope.READ, 403), (Scope.OPERATE, 303)):
                session = await session_of(api, scope)
                assert (f"/{verb}" in await get(api, session, f"/{address}")) == (scope is Scope.OPERATE)
                headers = {"Cookie": f"{SESSION_COOKIE}={session}"}
                form = {"csrf": csrf_of(session)}
                answer = await api.http.post(f"/{address}/{verb}", data=form, headers=headers)
                forged = await api.http.post(f"/{address}/{verb}", data={"csrf": "0"}, headers=headers)
                assert (answer.status_code, forged.status_code) == (status, 403)
            assert f"/{address}/{back}" in await get(api, session, f"/{address}")
        unknown = await api.http.post("/rules/img.shrink/explode", data=form, headers=headers)
        session = await session_of(api, Scope.READ)
        denied = await run(api, session, VALUES)

        assert unknown.status_code == 404
        assert denied[0] == 403
        assert 'action="/actions/img.resize/run"' not in await get(api, session, "/actions/img.resize")

    with_api(migrated_database, check)
