"""Definitions over the API: no lost update, no silent cascade, every fault with its field."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from attune.core.access.tokens import Scope
from factories import command, verification
from registered_nodes import register, verdict
from web_client import Api, with_api

RUBY: dict[str, Any] = {"name": "Ruby", "distributions": verification(command(binary="ruby"))}


def test_a_definition_is_added_changed_and_removed_with_its_history(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        may = api.as_(Scope.ADMIN)
        added = await api.http.post("/api/runtimes", json={"ref": "core.ruby", **RUBY}, headers=may)
        again = await api.http.post("/api/runtimes", json={"ref": "core.ruby", **RUBY}, headers=may)
        patch = {"distributions": {"min_version": "3.0"}}
        patched = await api.http.patch("/api/runtimes/core.ruby", json=patch, headers=may)
        put = await api.http.put("/api/runtimes/core.ruby", json={**RUBY, "name": "ruby"}, headers=may)
        removed = await api.http.delete("/api/runtimes/core.ruby", headers=may)
        history = (await api.http.get("/api/runtimes/core.ruby/history?limit=3", headers=may)).json()

        assert (added.status_code, added.headers["location"]) == (201, "/api/runtimes/core.ruby")
        assert [one.status_code for one in (again, patched, put, removed)] == [409, 200, 200, 204]
        assert patched.json()["distributions"] == {**RUBY["distributions"], "min_version": "3.0"}
        assert [(one["operation"], one["changed_by"]) for one in history["data"]] == [
            ("delete", "test admin"),
            ("update", "test admin"),
            ("update", "test admin"),
        ]
        rest = await api.http.get(f"/api/runtimes/core.ruby/history?cursor={history['next']}", headers=may)
        assert [one["operation"] for one in rest.json()["data"]] == ["insert"]

    with_api(migrated_database, check)


def test_of_many_who_change_what_they_saw_one_succeeds(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        may = api.as_(Scope.ADMIN)
        seen = await api.http.get("/api/runtimes/core.python", headers=may)
        etag = seen.headers["etag"]
        answers = await asyncio.gather(
            *(
                api.http.patch(
                    "/api/runtimes/core.python", json={"description": f"{n}"}, headers={**may, "If-Match": etag}
                )
                for n in range(8)
            )
        )
        stale = await api.http.delete("/api/runtimes/core.python", headers={**may, "If-Match": etag})
        now = (await api.http.get("/api/runtimes/core.python", headers=may)).headers["etag"]
        fresh = await api.http.patch("/api/runtimes/core.python", json={"name": "P"}, headers={**may, "If-Match": now})

        assert sorted(one.status_code for one in answers) == [200] + [412] * 7
        assert (stale.status_code, fresh.status_code) == (412, 200)

    with_api(migrated_database, check)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (
            {"distributions": {"verification": {"commands": [{"binary": "bin/ruby"}]}}},
            "verification.commands[0].binary",
        ),
        ({"distributions": {"verification": {"commands": "ruby"}}}, "verification.commands"),
        ({"distributions": []}, "distributions"),
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"extra": 1}, "extra"),
        ({"distributions": verification(command(pattern="["))}, "verification.commands[0].pattern"),
    ],
)
def test_a_faulty_definition_is_refused_with_the_path_of_the_field(
    migrated_database: str, body: dict[str, Any], field: str
) -> None:
    async def check(api: Api) -> None:
        answer = await api.http.put("/api/runtimes/core.ruby", json={**RUBY, **body}, headers=api.as_(Scope.ADMIN))
        problem = answer.json()

        assert answer.status_code == 422, problem
        assert field in [one["field"] for one in problem["errors"]]
        assert all(one["expected"] and one["got"] for one in problem["errors"])

    with_api(migrated_database, check)


@pytest.mark.parametrize("ref", ["Core.Ruby", "ruby", "core.", ".ruby", "core.ru by", "core.r\u200buby"])
def test_a_ref_that_nobody_could_write_is_refused(migrated_database: str, ref: str) -> None:
    async def check(api: Api) -> None:
        answer = await api.http.post("/api/runtimes", json={"ref": ref, **RUBY}, headers=api.as_(Scope.ADMIN))

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "ref"

    with_api(migrated_database, check)


def test_a_runtime_in_use_stays_and_its_users_are_named(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        async with api.pool.connection() as connection:
            await connection.execute("INSERT INTO trigger (ref, label) VALUES ('core.t', 't');")
            await connection.execute(
                """
                INSERT INTO sensor
                    (ref, label, description, entrypoint, runtime, runtime_ref, trigger, trigger_ref, enabled)
                SELECT 'core.watch', 'w', '', 'w.py', r.id, r.ref, t.id, t.ref, true FROM runtime AS r, trigger AS t
                WHERE r.ref = 'core.python'
                """
            )
        answer = await api.http.delete("/api/runtimes/core.python", headers=api.as_(Scope.ADMIN))

        assert answer.status_code == 409
        assert "sensor core.watch" in answer.json()["detail"]

    with_api(migrated_database, check)


def test_where_something_can_run_is_answered_with_the_reasons(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        pool, may = api.pool, api.as_(Scope.READ)
        number = await register(pool, "w1", verdict("python", "3.11.7"))
        found = await api.http.post("/api/match", json={"terms": ["python >=3.9"]}, headers=may)
        none = await api.http.post("/api/match", json={"terms": ["node >=20"]}, headers=may)
        wrong = await api.http.post("/api/match", json={"terms": ["python >>3"]}, headers=may)

        assert found.json()["eligible"][0]["runtimes"] == {"python": {"version": "3.11.7", "path": "/usr/bin/python"}}
        assert (none.json()["eligible_count"], none.json()["explanation"]["outcome"]) == (0, "blocked")
        assert wrong.status_code == 422
        assert "offset" in wrong.json()["errors"][0]["field"]
        await api.http.post(f"/api/workers/{number}/drain", headers=api.as_(Scope.OPERATE))
        drained = await api.http.post("/api/match", json={"terms": ["python >=3.9"]}, headers=may)
        assert drained.json()["eligible_count"] == 0

    with_api(migrated_database, check)


def test_a_ref_that_is_not_latin_is_stored_and_found_where_the_answer_says(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        may = api.as_(Scope.ADMIN)
        added = await api.http.post("/api/runtimes", json={"ref": "core.руби", **RUBY}, headers=may)
        assert added.status_code == 201, added.text

        found = await api.http.get(added.headers["location"], headers=may)
        assert found.json()["ref"] == "core.руби"

    with_api(migrated_database, check)
