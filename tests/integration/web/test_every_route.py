"""What holds for every route of the API, whatever it does: odd methods, values, bodies, cookies and texts."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest

from api_document import Operation, document, is_endless, operations, resolved, text_fields
from attune.core.access.tokens import Scope, csrf_of
from attune.web.access import CSRF_HEADER, SESSION_COOKIE
from filled_database import HOSTILE, inhabit, known_values
from web_client import Api, with_api

OPERATIONS = [one for one in operations() if not is_endless(one)]
GUARDED = [one for one in OPERATIONS if one.said.get("security")]
WRITES = [one for one in GUARDED if one.is_write]
WITH_BODY = [one for one in WRITES if one.said.get("requestBody")]
ODD = [
    "abc",
    "-1",
    "0",
    str(2**63),
    "1e9",
    "1.5",
    "%20",
    "..%2f..",
    "' OR 1=1--",
    "%25",
    "_",
    "\u00e9",
    "a" * 3000,
    "null",
]
PROTECTION = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


async def ask(api: Api, method: str, path: str, **more: Any) -> Any:
    answer = await api.http.request(method, path, **{"headers": api.as_(Scope.ADMIN), **more})
    assert answer.status_code < 500, f"{method} {path} {more}: {answer.status_code} {answer.text}"
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json", f"{method} {path}"
        assert answer.json()["detail"], f"{method} {path}"
    return answer


def covers(template: str, path: str) -> bool:
    """Whether *template* leads to *path* too: `/api/runtimes/{ref}` leads to `/api/runtimes/check`."""
    return re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path) is not None


def test_every_method_on_every_path_is_answered(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for path in document()["paths"]:
            there = {one.method for one in operations() if covers(one.path, path)}
            for method in {"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE", "TRACE", "BREW"} - there:
                answer = await ask(api, method, path.replace("{", "").replace("}", ""))

                assert answer.status_code == 405, f"{method} {path}"
                assert set(answer.headers["allow"].split(", ")) <= there | {"HEAD"}

    with_api(migrated_database, check)


def test_odd_values_in_paths_and_queries_are_refused_or_taken_literally(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for operation in OPERATIONS:
            body = {"json": {}} if operation.said.get("requestBody") else {}
            parameters = [resolved(one) for one in operation.said.get("parameters", [])]
            for value in ODD:
                if "{" in operation.path:
                    await ask(api, operation.method, operation.filled(value.replace("/", "%2f")), **body)
                for one in parameters:
                    if one["in"] == "query":
                        query = {one["name"]: value.replace("%20", " ")}
                        await ask(api, operation.method, operation.filled("999999"), params=query, **body)

    with_api(migrated_database, check)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=-1", "limit=1e9", "limit=1000000000", "limit=x", "limit=", "cursor=x", "cursor=W10",
        "cursor=WzEsMl0", "cursor=bnVsbA", "cursor=W3RydWVd", "cursor=%F0%9F%98%80", "cursor=WyJcdTAwMDAiXQ",
        "cursor=WzFlOTk5XQ", "cursor=WyJcdWQ4MDAiLCAxXQ",
    ],
)  # fmt: skip
def test_a_wrong_page_is_refused_by_every_list(migrated_database: str, query: str) -> None:
    name = query.partition("=")[0]

    async def check(api: Api) -> None:
        lists = [
            one
            for one in OPERATIONS
            if one.method == "GET"
            and "{" not in one.path
            and name in {resolved(said)["name"] for said in one.said.get("parameters", [])}
        ]
        assert lists
        for operation in lists:
            answer = await ask(api, "GET", f"{operation.path}?{query}")

            assert answer.status_code == 422, f"{operation} {query}"
            assert answer.json()["errors"][0]["field"] == name

    with_api(migrated_database, check)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"a": "' + b"x" * 2_000_000 + b'"}', 413), (b"[" * 100_000 + b"]" * 100_000, 400), (b'{"a": ', 400),
        (b'{"a": "\xff"}', 400), (b'{"a": "\\u0000"}', 400), (b'{"a": "\\udc00"}', 400), (b"[]", 422), (b'"text"', 422),
        (b"3", 422), (b"null", 422),
    ],
    ids=["2 MB", "deep", "cut off", "no UTF-8", "U+0000", "surrogate", "list", "text", "number", "null"],
)  # fmt: skip
def test_a_body_that_cannot_be_is_refused_by_every_write(migrated_database: str, body: bytes, status: int) -> None:
    async def check(api: Api) -> None:
        for operation in WITH_BODY:
            headers = {**api.as_(Scope.ADMIN), "Content-Type": "application/json"}
            answer = await ask(api, operation.method, operation.filled("acme.x"), content=body, headers=headers)

            # An id that is none may be noticed first.
            assert answer.status_code == status or (status == 422 and answer.status_code == 404), operation

    with_api(migrated_database, check)


def test_a_fault_in_json_is_told_with_its_offset(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for operation in WITH_BODY:
            headers = {**api.as_(Scope.ADMIN), "Content-Type": "application/json"}
            answer = await ask(api, operation.method, operation.filled("1"), content=b'{"name": x}', headers=headers)

            assert (answer.status_code, "offset 9" in answer.json()["detail"]) == (400, True), operation

    with_api(migrated_database, check)


def test_no_write_is_done_because_another_site_wanted_it(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        entered = await api.http.post("/login", data={"token": api.tokens[Scope.ADMIN]})
        session = entered.cookies[SESSION_COOKIE]
        cookie = {"Cookie": f"{SESSION_COOKIE}={session}"}
        own = {CSRF_HEADER: csrf_of(session)}
        api.http.cookies.clear()
        foreign = [
            {}, {CSRF_HEADER: ""}, {CSRF_HEADER: csrf_of("another")}, {**own, "Origin": "https://evil.example"},
            {**own, "Origin": "null"}, {**own, "Sec-Fetch-Site": "cross-site"}, {**own, "Sec-Fetch-Site": "same-site"},
        ]  # fmt: skip
        for operation in WRITES:
            for more in foreign:
                answer = await ask(api, operation.method, operation.filled("999999"), headers={**cookie, **more})
                assert answer.status_code == 403, f"{operation} {more}"
            answer = await ask(api, operation.method, operation.filled("999999"), headers={**cookie, **own})
            assert answer.status_code != 403, operation

    with_api(migrated_database, check)


def test_every_answer_says_what_it_is_and_is_not_guessed_at(migrated_database: str) -> None:
    inhabit(migrated_database)
    known = known_values(migrated_database)

    async def check(api: Api) -> None:
        shown = 0
        for operation in [one for one in OPERATIONS if one.method == "GET"]:
            paths = [operation.path]
            for name in [resolved(one)["name"] for one in operation.said.get("parameters", ())]:
                paths = [
                    path.replace(f"{{{name}}}", str(value))
                    for path in paths
                    for value in (known.get(name, ["1"]) if f"{{{name}}}" in path else ["1"])
                ]
            for path in paths:
                answer = await ask(api, "GET", path)
                protection = {name: answer.headers.get(name) for name in PROTECTION}
                if path == "/metrics":
                    assert answer.headers["content-type"].startswith("text/plain"), path
                    continue
                shown += HOSTILE in json.dumps(answer.json(), ensure_ascii=False).replace('\\"', '"')

                assert protection == PROTECTION, path
                assert answer.headers["content-type"] in ("application/json", "application/problem+json"), path
                assert "default-src 'none'" in answer.headers["content-security-policy"], path
        assert shown > 5, "the hostile text must be in what is looked at"

    with_api(migrated_database, check)


def test_every_list_is_the_same_page_by_page(migrated_database: str) -> None:
    inhabit(migrated_database)
    with psycopg.connect(migrated_database) as connection:
        connection.execute(
            "INSERT INTO dead_letter (kind, source, body, reason, sqlstate)"
            " SELECT 'output', n::text, '{}', 'no', '22001' FROM generate_series(1, 3) AS n"
        )
    (sensor,) = known_values(migrated_database)["sensor_id"]

    async def check(api: Api) -> None:
        lists = [one for one in OPERATIONS if one.method == "GET" and {"cursor", "limit"} <= {*parameters_of(one)}]
        assert lists
        for operation in lists:
            path = operation.path.replace("{ref}", "acme.ruby").replace(
                "{node_id}", str(sensor if "sensors" in operation.path else 1)
            )
            if operation.path == "/api/audit":
                continue  # these requests do not write into it, but those of the fixture may still do
            whole = (await ask(api, "GET", path, params={"limit": 1000})).json()
            single: list[Any] = []
            cursor: str | None = None
            while cursor or not single:
                query = {"limit": "1", **({"cursor": cursor} if cursor else {})}
                page = (await ask(api, "GET", path, params=query)).json()
                assert len(page["data"]) <= 1
                single += page["data"] or [None]
                cursor = page["next"]

            assert whole["next"] is None
            assert [unaged(one) for one in single if one] == [unaged(one) for one in whole["data"]], operation
            assert len(single) > 1 or "sensors" in path or "transitions" in path, f"{operation} lists too little"

    with_api(migrated_database, check)


def parameters_of(operation: Operation) -> set[str]:
    return {resolved(one)["name"] for one in operation.said.get("parameters", ())}


_AGES = {"heartbeat_age", "age_seconds", "last_used", "waited", "ran"}


def unaged(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _AGES}


# A switch, and files in base64.
WITHOUT_TEXT = {"POST /api/packs", "PATCH /api/rules/{ref}", "PATCH /api/sensor-definitions/{ref}"}


def test_hostile_text_in_any_field_is_kept_as_text_or_refused(migrated_database: str) -> None:
    inhabit(migrated_database)

    async def check(api: Api) -> None:
        for operation in WITH_BODY:
            (content,) = [one for kind, one in operation.said["requestBody"]["content"].items() if "json" in kind]
            example = example_of(content["schema"])
            fields = list(text_fields(content["schema"]))
            assert fields or str(operation) in WITHOUT_TEXT, operation
            for field in fields:
                body = with_value(example, field, HOSTILE)
                answer = await ask(api, operation.method, operation.filled("acme.ruby"), json=body)

                assert answer.headers["content-type"] in ("application/json", "application/problem+json")
                assert answer.headers["x-content-type-options"] == "nosniff"

    with_api(migrated_database, check)


ODD_TEXTS = [
    "acme.\u0440\u0443\u0431\u0438",
    "\U0001f600",
    "acme.a\r\nX: y",
    "\x7f",
    "a" * 70_000,
    "../x",
    "%0d%0a",
    "\uffff",
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:20]))
def test_odd_text_in_any_field_never_is_an_error_of_our_own(migrated_database: str, text: str) -> None:
    inhabit(migrated_database)

    async def check(api: Api) -> None:
        for operation in WITH_BODY:
            (content,) = [one for kind, one in operation.said["requestBody"]["content"].items() if "json" in kind]
            example = example_of(content["schema"])
            for field in text_fields(content["schema"]):
                body = with_value(example, field, text)
                await ask(api, operation.method, operation.filled("acme.ruby"), json=body)

    with_api(migrated_database, check)


def example_of(schema: Any) -> Any:
    """A value as the examples of *schema* have it."""
    schema = resolved(schema)
    for name in ("default", "const"):
        if name in schema:
            return schema[name]
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("properties"):
        return {name: example_of(below) for name, below in schema["properties"].items()}
    options = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    return (
        example_of(options[0]) if options else {"integer": 1, "number": 1.5, "boolean": False}.get(schema.get("type"))
    )


def with_value(body: Any, path: tuple[str, ...], value: str) -> Any:
    """A copy of *body* with *value* at *path*."""
    if not path:
        return value
    return {**body, path[0]: with_value(body.get(path[0]) or {}, path[1:], value)}


def test_the_whole_api_is_looked_at() -> None:
    assert len(OPERATIONS) > 20
    assert all(isinstance(one, Operation) for one in WITH_BODY) and WITH_BODY
