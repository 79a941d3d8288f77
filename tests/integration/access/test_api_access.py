"""Who gets in: tokens, sessions, and what a browser may be made to do."""

from __future__ import annotations

import asyncio

import pytest

from attune.core.access.audit import AuditFilter
from attune.core.access.tokens import Scope, csrf_of
from attune.web.access import SESSION_COOKIE
from web_client import Api, with_api


def test_health_needs_no_token(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        assert (await api.http.get("/healthz")).json() == {"status": "ok"}
        assert (await api.http.get("/readyz")).json() == {"status": "ok"}

    with_api(migrated_database, check)


def test_a_login_link_opens_a_session_that_a_revoked_token_ends(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        made, _ = await api.services.tokens.create("link", Scope.ADMIN, created_by="tests")
        code = await api.services.tokens.login_link(made.id)

        entered = await api.http.get(f"/login?code={code}")
        again = await api.http.get(f"/login?code={code}")
        session = entered.cookies[SESSION_COOKIE]

        assert (entered.status_code, entered.headers["location"], again.status_code) == (303, "/", 401)
        assert "httponly" in entered.headers["set-cookie"].lower()
        assert await api.services.tokens.session_caller(session)
        assert await api.services.tokens.revoke(made.id)
        assert await api.services.tokens.session_caller(session) is None

    with_api(migrated_database, check)


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"])
def test_a_login_leads_to_no_other_site(migrated_database: str, target: str) -> None:
    async def check(api: Api) -> None:
        done = await api.http.post("/login", data={"token": api.tokens[Scope.READ], "next": target})

        assert (done.status_code, done.headers["location"]) == (303, "/")

    with_api(migrated_database, check)


def test_a_logout_ends_what_the_session_opened_at_once(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        entered = await api.http.post("/login", data={"token": api.tokens[Scope.READ]})
        cookie = {"Cookie": f"{SESSION_COOKIE}={(session := entered.cookies[SESSION_COOKIE])}"}
        assert (await api.http.get("/api/me", headers=cookie)).status_code == 200
        me = api.services.tokens.session_caller
        with api.services.hub.subscribed((await me(session)).token_id, None) as stream:
            left = await api.http.post("/logout", data={"csrf": csrf_of(session)}, headers=cookie)

            assert left.status_code == 303
            assert (await api.http.get("/api/me", headers=cookie)).status_code == 401
            assert await asyncio.wait_for(stream.queue.get(), 5) is None

    with_api(migrated_database, check)


def test_over_tls_the_cookie_is_one_that_no_other_site_can_set(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        token = {"token": api.tokens[Scope.READ]}
        entered = await api.http.post("https://attune.test/login", data=token)
        cookie = entered.headers["set-cookie"]

        assert cookie.startswith("__Host-attune_session=")
        assert {"Secure", "HttpOnly", "Path=/"} <= {*cookie.split("; ")}
        plain = {"Cookie": cookie.split(";")[0].removeprefix("__Host-")}
        assert (await api.http.get("https://attune.test/api/me", headers=plain)).status_code == 401

    with_api(migrated_database, check)


def test_a_login_that_guesses_does_not_lock_out_another_token(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for _ in range(12):
            await api.http.post("/login", data={"token": "attune_guess"})

        assert (await api.http.post("/login", data={"token": api.tokens[Scope.READ]})).status_code == 303

    with_api(migrated_database, check)


def test_no_path_leads_to_the_host_that_was_named(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for path in ("/api/workers/", "/workers/", "//evil.example/"):
            answer = await api.http.get(path, headers={**api.as_(Scope.READ), "Host": "evil.example"})
            assert "location" not in answer.headers

    with_api(migrated_database, check)


def test_logins_are_slowed_down_and_refusals_are_audited(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        answers = [(await api.http.post("/login", data={"token": "guess"})).status_code for _ in range(12)]
        lines = await api.services.tokens.list_audit(AuditFilter())

        assert answers == [401] * 10 + [429] * 2
        assert {(line.actor, line.path, line.status) for line in lines if line.status} == {
            ("nobody", "/login", 401),
            ("nobody", "/login", 429),
        }

    with_api(migrated_database, check)


def test_a_browser_cannot_be_made_to_change_something(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        entered = await api.http.post("/login", data={"token": api.tokens[Scope.ADMIN]})
        session = entered.cookies[SESSION_COOKIE]
        own = csrf_of(session)

        statuses = []
        for field, origin in (("", None), ("0" * 64, None), (own, "http://evil.example"), (own, "http://attune.test")):
            headers = {"Cookie": f"{SESSION_COOKIE}={session}"} | ({"Origin": origin} if origin else {})
            statuses.append((await api.http.post("/logout", data={"csrf": field}, headers=headers)).status_code)

        assert statuses == [403, 403, 403, 303]
        assert await api.services.tokens.session_caller(session) is None

    with_api(migrated_database, check)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz?x=%00", 400), ("/healthz?x=%ff", 400), ("/api/openapi.json?token=x", 400), ("/nothing", 404)],
)
def test_an_address_that_means_nothing_is_a_problem(migrated_database: str, path: str, status: int) -> None:
    async def check(api: Api) -> None:
        answer = await api.http.get(path)

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]

    with_api(migrated_database, check)
