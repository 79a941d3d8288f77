"""Workers and sensors over the API."""

from __future__ import annotations

import pytest

from attune.core.access.audit import AuditFilter
from attune.core.access.tokens import Scope
from attune.core.nodes.role import SENSOR
from attune.core.runtimes.verdict import Status
from registered_nodes import register, verdict
from web_client import Api, with_api


def test_a_worker_tells_what_it_can_run_with_evidence_and_freshness(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        missing = verdict("ruby", status=Status.UNAVAILABLE, reason="ruby: not found on PATH")
        number = await register(api.pool, "w1", verdict("python", "3.11.7"), missing)
        answer = await api.http.get(f"/api/workers/{number}/capabilities", headers=api.as_(Scope.READ))
        told = answer.json()

        assert answer.status_code == 200
        assert told["capabilities"]["runtimes"] == ["python"]
        python, ruby = told["results"]
        assert (python["ref"], python["version"], python["path"]) == ("core.python", "3.11.7", "/usr/bin/python")
        assert python["evidence"]["command"] == ["python", "--version"]
        assert 0 <= python["age_seconds"] < 60
        assert (ruby["status"], ruby["reason"]) == ("unavailable", "ruby: not found on PATH")

    with_api(migrated_database, check)


def test_nodes_are_listed_page_by_page_though_others_come_and_go(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for number in range(7):
            await register(api.pool, f"w{number}", verdict("python", "3.11.7"))
        await register(api.pool, "s1", role=SENSOR)
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
            page = (await api.http.get("/api/workers", params=query, headers=api.as_(Scope.READ))).json()
            found += [one["name"] for one in page["data"]]
            cursor = page["next"]
            if len(found) == 3:
                await register(api.pool, "w0a")
                await register(api.pool, "w9")

        assert found == ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w9"]

    with_api(migrated_database, check)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("runtime=python", ["eu", "old"]),
        ("term=python%20%3E%3D3.9", ["eu"]),
        ("term=python&term=!node", ["old"]),
        ("label=zone%3Deu", ["eu"]),
        ("label=zone", ["eu", "none"]),
        ("status=active&q=OL", ["old"]),
        ("status=lost", []),
        ("q=%25", []),
        ("q=_", []),
        ("q=' OR 1=1--", []),
        ("runtime=' OR 1=1--", []),
        ("term=python&label=zone=eu&status=active", ["eu"]),
    ],
)
def test_filters_are_taken_literally_and_together(migrated_database: str, query: str, names: list[str]) -> None:
    async def check(api: Api) -> None:
        pool = api.pool
        await register(pool, "eu", verdict("python", "3.11.7"), verdict("node", "20.1.0"), labels={"zone": "eu"})
        await register(pool, "old", verdict("python", "3.6.8"))
        await register(pool, "none", verdict("python", status=Status.UNAVAILABLE), labels={"zone": "us"})
        answer = await api.http.get(f"/api/workers?{query}", headers=api.as_(Scope.READ))

        assert answer.status_code == 200, answer.text
        assert sorted(one["name"] for one in answer.json()["data"]) == sorted(names)

    with_api(migrated_database, check)


@pytest.mark.parametrize(
    "path",
    [
        "workers/abc", "workers/-1", "workers/0", "workers/9223372036854775808", "workers/99999", "workers/1e3",
        "sensors/{worker}", "workers?limit=0", "workers?limit=-1", "workers?limit=1000000000", "workers?cursor=xx",
        "workers?cursor=WyIiLDFd_", "workers?status=alive", "workers?term=python%20%3E%3E", "workers?unknown=1",
        "transitions?cursor=W1tdXQ", "workers/{worker}/transitions?limit=x", "workers/99999/transitions",
        "workers/99999/capabilities",
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_with_a_sentence(migrated_database: str, path: str) -> None:
    async def check(api: Api) -> None:
        worker = await register(api.pool, "w1")
        answer = await api.http.get("/api/" + path.format(worker=worker), headers=api.as_(Scope.READ))

        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]

    with_api(migrated_database, check)


def test_a_node_is_drained_resumed_reloaded_and_forgotten(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        worker = await register(api.pool, "w1")
        may = api.as_(Scope.OPERATE)
        steps = []
        for method, path in [
            ("POST", "resume"),
            ("POST", "drain"),
            ("POST", "resume"),
            ("POST", "reload"),
            ("DELETE", ""),
            ("DELETE", "?force=true"),
            ("DELETE", ""),
            ("POST", "drain"),
        ]:
            separator = "" if path.startswith("?") or not path else "/"
            steps.append(
                (await api.http.request(method, f"/api/workers/{worker}{separator}{path}", headers=may)).status_code
            )
        lines = await api.services.tokens.list_audit(AuditFilter())

        assert steps == [202, 202, 202, 202, 409, 204, 404, 404]
        told = [(line.actor, line.method, line.status) for line in reversed(lines) if line.status]
        assert told[4:6] == [("test operate", "DELETE", 409), ("test operate", "DELETE", 204)]

    with_api(migrated_database, check)
