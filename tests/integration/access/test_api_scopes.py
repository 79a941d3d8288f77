"""Who may do what: every route with no token, with each scope, and with a token that has ended."""

from __future__ import annotations

import asyncio

import httpx

from api_document import Operation, is_endless, operations
from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.access.tokens import Scope
from attune.web.app import create_app
from web_client import Api, with_api

# A new route needs a line here: whom it lets in is decided on purpose.
NEEDS: dict[str, Scope | None] = {
    "GET /healthz": None,
    "GET /readyz": None,
    "GET /metrics": Scope.READ,
    "GET /api/pauses": Scope.READ,
    "POST /api/pauses": Scope.OPERATE,
    "DELETE /api/pauses": Scope.OPERATE,
    "GET /api/runtimes": Scope.READ,
    "GET /api/runtimes/{ref}": Scope.READ,
    "GET /api/runtimes/{ref}/coverage": Scope.READ,
    "POST /api/runtimes": Scope.ADMIN,
    "POST /api/runtimes/validate": Scope.READ,
    "PUT /api/runtimes/{ref}": Scope.ADMIN,
    "PATCH /api/runtimes/{ref}": Scope.ADMIN,
    "DELETE /api/runtimes/{ref}": Scope.ADMIN,
    "POST /api/runtimes/check": Scope.ADMIN,
    "POST /api/runtimes/preview": Scope.ADMIN,
    "GET /api/runtimes/{ref}/history": Scope.READ,
    "GET /api/workers": Scope.READ,
    "GET /api/workers/{node_id}": Scope.READ,
    "GET /api/workers/{node_id}/capabilities": Scope.READ,
    "GET /api/workers/{node_id}/transitions": Scope.READ,
    "POST /api/workers/{node_id}/drain": Scope.OPERATE,
    "POST /api/workers/{node_id}/resume": Scope.OPERATE,
    "POST /api/workers/{node_id}/reload": Scope.OPERATE,
    "DELETE /api/workers/{node_id}": Scope.OPERATE,
    "GET /api/sensors": Scope.READ,
    "GET /api/sensors/{node_id}": Scope.READ,
    "GET /api/sensors/{node_id}/capabilities": Scope.READ,
    "GET /api/sensors/{node_id}/transitions": Scope.READ,
    "POST /api/sensors/{node_id}/drain": Scope.OPERATE,
    "POST /api/sensors/{node_id}/resume": Scope.OPERATE,
    "POST /api/sensors/{node_id}/reload": Scope.OPERATE,
    "DELETE /api/sensors/{node_id}": Scope.OPERATE,
    "GET /api/transitions": Scope.READ,
    "GET /api/stream": Scope.READ,
    "POST /api/match": Scope.READ,
    "GET /api/secrets": Scope.ADMIN,
    "PUT /api/secrets/{name}": Scope.ADMIN,
    "DELETE /api/secrets/{name}": Scope.ADMIN,
    "GET /api/packs": Scope.READ,
    "GET /api/packs/{ref}": Scope.READ,
    "POST /api/packs": Scope.ADMIN,
    "DELETE /api/packs/{ref}": Scope.ADMIN,
    "GET /api/sensor-definitions": Scope.READ,
    "PATCH /api/sensor-definitions/{ref}": Scope.OPERATE,
    "POST /api/sensor-definitions/{ref}/move": Scope.OPERATE,
    "GET /api/triggers": Scope.READ,
    "GET /api/rules": Scope.READ,
    "PATCH /api/rules/{ref}": Scope.OPERATE,
    "GET /api/event-health": Scope.READ,
    "GET /api/events": Scope.READ,
    "GET /api/events/{event_id}": Scope.READ,
    "POST /api/events": Scope.OPERATE,
    "GET /api/actions": Scope.READ,
    "GET /api/actions/{ref}": Scope.READ,
    "POST /api/actions/{ref}/run": Scope.OPERATE,
    "GET /api/executions": Scope.READ,
    "GET /api/executions/{execution_id}": Scope.READ,
    "GET /api/executions/{execution_id}/output": Scope.READ,
    "GET /api/executions/{execution_id}/explanation": Scope.READ,
    "POST /api/executions/cancel": Scope.OPERATE,
    "POST /api/executions/{execution_id}/cancel": Scope.OPERATE,
    "POST /api/executions/{execution_id}/retry": Scope.OPERATE,
    "GET /api/dead-letters": Scope.READ,
    "POST /api/dead-letters/{letter_id}/replay": Scope.OPERATE,
    "DELETE /api/dead-letters/{letter_id}": Scope.OPERATE,
    "GET /api/me": Scope.READ,
    "GET /api/audit": Scope.ADMIN,
    "GET /api/tokens": Scope.ADMIN,
    "POST /api/tokens": Scope.ADMIN,
    "DELETE /api/tokens/{token_id}": Scope.ADMIN,
    "POST /api/tokens/{token_id}/link": Scope.ADMIN,
}
# Pages and what they load: they lead to the login themselves.
PAGES = {"/login", "/logout", "/api/openapi.json", "/api/docs", "/api/docs/oauth2-redirect"}
OPERATIONS = operations()
GUARDED = [one for one in OPERATIONS if NEEDS.get(str(one))]
WRITES = [one for one in GUARDED if one.is_write]
NOBODYS = "999999"  # the id and the ref of nothing, so that no request of these tests changes something
UNKNOWN = "attune_" + "A" * 43


def test_every_route_has_its_line_in_the_table() -> None:
    assert {str(one) for one in OPERATIONS} == set(NEEDS)


def test_what_the_document_leaves_out_is_a_page() -> None:
    documented = {one.path for one in OPERATIONS}
    left_out = {route.path for route in create_app(None).routes if hasattr(route, "path")}  # type: ignore[arg-type]

    assert {path for path in left_out - documented if path.startswith("/api")} <= PAGES


async def ask(api: Api, operation: Operation, headers: dict[str, str] | None, query: str = "") -> httpx.Response:
    body = {"json": {}} if operation.said.get("requestBody") else {}
    path = f"{operation.filled(NOBODYS)}{query}"
    answer = await api.http.request(operation.method, path, headers=headers, **body)
    if answer.status_code in (401, 403):
        assert answer.headers["content-type"] == "application/problem+json"
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return answer


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_nobody_gets_in_without_a_live_token(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        _, expired = await api.services.tokens.create("old", Scope.ADMIN, created_by="tests", expires_in=0.0)
        made, revoked = await api.services.tokens.create("gone", Scope.ADMIN, created_by="tests")
        await api.services.tokens.revoke(made.id)
        admin = api.tokens[Scope.ADMIN]
        strangers = [
            None, bearer(UNKNOWN), bearer(expired), bearer(revoked), bearer(""), bearer(f"{admin}x"),
            bearer(admin[:-1]), bearer(f"{admin} {admin}"), {"Authorization": admin}, {"Authorization": "Bearer"},
            {"Authorization": f"Basic {admin}"}, {"X-Api-Key": admin}, {"Cookie": f"attune_session={admin}"},
        ]  # fmt: skip
        found = {str(one): [(await ask(api, one, who)).status_code for who in strangers] for one in GUARDED}

        assert found == {str(one): [401] * len(strangers) for one in GUARDED}

    with_api(migrated_database, check)


def test_each_scope_opens_what_it_should_and_no_more(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        wrong = []
        for operation in GUARDED:
            needed = NEEDS[str(operation)]
            assert needed is not None
            for scope in Scope:
                if scope.holds(needed) and is_endless(operation):
                    continue  # it would not end; the tests of the stream open it
                status = (await ask(api, operation, api.as_(scope))).status_code
                if status == 401 or (status != 403) != scope.holds(needed):
                    wrong.append(f"{operation} with scope {scope}: {status}")

        assert wrong == []

    with_api(migrated_database, check)


def test_a_token_in_the_address_is_refused(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        admin = api.tokens[Scope.ADMIN]
        queries = (f"?token={admin}", f"?access_token={admin}", f"?x=1&Token={admin}", f"?to%6ben={admin}")
        for operation in [one for one in OPERATIONS if one.path.startswith("/api")]:
            for query in queries:
                answer = await ask(api, operation, bearer(admin), query)

                assert (answer.status_code, admin in answer.text) == (400, False), f"{operation} {query}"

    with_api(migrated_database, check)


def test_every_write_is_in_the_audit_with_who_asked_and_what_came_of_it(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for operation in WRITES:
            asked = [("nobody", (await ask(api, operation, None)).status_code)]
            for scope in Scope:
                status = (await ask(api, operation, api.as_(scope))).status_code
                asked.append((f"test {scope}", status))
            written = await lines_of(api, operation, len(asked))

            assert [(line.actor, line.status) for line in reversed(written)] == asked, operation

    with_api(migrated_database, check)


def test_every_refusal_of_a_reader_is_in_the_audit(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for operation in [one for one in GUARDED if not one.is_write]:
            statuses = [401, 403] if NEEDS[str(operation)] is not Scope.READ else [401]
            for headers in [None, api.as_(Scope.READ)][: len(statuses)]:
                await ask(api, operation, headers)
            written = await lines_of(api, operation, len(statuses))

            assert [line.status for line in reversed(written)] == statuses, operation

    with_api(migrated_database, check)


async def lines_of(api: Api, operation: Operation, count: int) -> list[AuditRecord]:
    """The audit of one operation, newest first; a line is written just after its answer was sent."""
    asked = (operation.method, operation.filled(NOBODYS))
    for _ in range(100):
        found = [
            line for line in await api.services.tokens.list_audit(AuditFilter()) if (line.method, line.path) == asked
        ]
        if len(found) >= count:
            break
        await asyncio.sleep(0.02)
    return found
