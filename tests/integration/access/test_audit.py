"""The audit: every change that operators made to a table, and every request and refusal, with who, what and how."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.access.tokens import Scope, session_name
from attune.web.access import SESSION_COOKIE
from logins import Logins
from web_client import Api, with_api, with_server

_SCENE: tuple[LiteralString, ...] = (
    "INSERT INTO worker (id, name, worker_type, worker_role, status, capabilities, last_heartbeat)"
    " VALUES (901, 'a', 'local', 'action', 'active', '{}', now()),"
    " (902, 'b', 'local', 'action', 'active', '{}', now())",
    "INSERT INTO pack (id, ref, label, version, config) VALUES (901, 'acme', 'Acme', '1.0.0', '{\"key\": \"hush\"}')",
    "INSERT INTO action (id, ref, pack, pack_ref, label, description, entrypoint)"
    " VALUES (901, 'acme.act', 901, 'acme', 'x', 'x', 'x')",
    "INSERT INTO trigger (id, ref, pack, pack_ref, label, enabled) VALUES (901, 'acme.t', 901, 'acme', 'x', true)",
    "INSERT INTO sensor (id, ref, pack, pack_ref, label, description, entrypoint, runtime, runtime_ref, trigger,"
    " trigger_ref, enabled, config) VALUES (901, 'acme.s', 901, 'acme', 'x', 'x', 'x', (SELECT min(id) FROM runtime),"
    " 'core.python', 901, 'acme.t', true, '{\"key\": \"hush\"}')",
    "INSERT INTO rule (id, ref, pack, pack_ref, label, description, action, action_ref, trigger, trigger_ref,"
    " conditions, enabled, action_params) VALUES (901, 'acme.r', 901, 'acme', 'x', 'x', 901, 'acme.act', 901, 'acme.t',"
    " '[]', true, '{\"key\": \"hush\"}')",
    "INSERT INTO api_token (id, name, digest, scope, created_by) VALUES (901, 'ci', 'hush', 'read', 'ann')",
    "INSERT INTO sensor_lease (sensor, worker, expires_at) VALUES (901, 901, now())",
    "INSERT INTO dead_letter (id, kind, source, body, reason, sqlstate)"
    " VALUES (901, 'event', 'acme.s', 'hush', 'x', '22001')",
)
# A statement, what of it is in the line, and how often it counts.
_CHANGES: dict[LiteralString, tuple[str, str, Any, int]] = {
    "UPDATE runtime SET name = 'P' WHERE ref = 'core.python'": (
        "UPDATE",
        "runtime core.python",
        {"name": ["Python", "P"]},
        1,
    ),
    "UPDATE action SET entrypoint = 'y' WHERE id = 901": ("UPDATE", "action acme.act", {"entrypoint": ["x", "y"]}, 1),
    'UPDATE rule SET action_params = \'{"key": "hushed"}\'': (
        "UPDATE",
        "rule acme.r",
        {"action_params": "***"},
        1,
    ),
    "UPDATE rule SET enabled = false": ("UPDATE", "rule acme.r", {"enabled": [True, False]}, 1),
    "UPDATE sensor SET enabled = false": ("UPDATE", "sensor acme.s", {"enabled": [True, False]}, 1),
    "UPDATE sensor_lease SET wanted = 902": ("UPDATE", "sensor acme.s", {"node": ["a", "b"]}, 1),
    "UPDATE trigger SET label = 'y' WHERE id = 901": ("UPDATE", "trigger acme.t", {"label": ["x", "y"]}, 1),
    'UPDATE pack SET config = \'{"key": "hushed"}\' WHERE id = 901': ("UPDATE", "pack acme", {"config": "***"}, 1),
    "INSERT INTO secret (name, value, changed_by) VALUES ('db', 'hush', 'ann')": (
        "INSERT",
        "secret db",
        {"name": "db", "value": "***", "changed_by": "ann"},
        1,
    ),
    "UPDATE secret SET value = 'hushed', changed_by = 'bob'": (
        "UPDATE",
        "secret db",
        {"value": "***", "changed_by": ["ann", "bob"]},
        1,
    ),
    "DELETE FROM dead_letter": (
        "DELETE",
        "dead_letter 901",
        ...,
        1,
    ),
    "UPDATE worker SET status = 'draining' WHERE id = 901": (
        "UPDATE",
        "worker a",
        {"status": ["active", "draining"]},
        1,
    ),
    "UPDATE worker SET status = 'active' WHERE id = 901": ("UPDATE", "worker a", {"status": ["draining", "active"]}, 1),
    "UPDATE worker SET meta = '{\"reloads\": 1}' WHERE id = 901": (
        "UPDATE",
        "worker a",
        {"meta": [None, {"reloads": 1}]},
        1,
    ),
    "INSERT INTO event (trigger, trigger_ref, payload) VALUES (901, 'acme.t', '{\"key\": \"hush\"}')": (
        "INSERT",
        "event 1",
        {"id": 1, "trigger": 901, "trigger_ref": "acme.t", "payload": "***", "pending": False},
        1,
    ),
    "INSERT INTO execution (id, action, action_ref, config, status) SELECT n, 901, 'acme.act', '{\"key\": \"hush\"}',"
    " 'requested' FROM generate_series(901, 903) AS n": (
        "INSERT",
        "execution acme.act",
        {"first": 901, "last": 903},
        3,
    ),
    "UPDATE execution SET status = 'cancelled' WHERE id = 901": (
        "UPDATE",
        "execution 901",
        {"status": ["requested", "cancelled"]},
        1,
    ),
    "INSERT INTO node_request (worker, kind, body, asked_by, expires) SELECT id, 'check',"
    ' \'{"name": "x", "distributions": {"verification": {"commands": [{"binary": "sh", "args": ["-c", "id"]}]}}}\','
    " 'ann', now() FROM worker": (
        "INSERT",
        "node_request check",
        {
            "run": [["sh", ["-c", "id"]]],
            "nodes": ["a", "b"],
            "body": {
                "name": "x",
                "distributions": {"verification": {"commands": [{"binary": "sh", "args": ["-c", "id"]}]}},
            },
        },
        2,
    ),
    "UPDATE node_request SET body = '{}' WHERE id = 1": ("UPDATE", "node_request 1", ..., 1),
    "INSERT INTO login_code (digest, token, expires) VALUES ('hush', 901, now())": ("INSERT", "login_code 901", ..., 1),
    "INSERT INTO login_session (digest, token, expires) VALUES ('hush', 901, now())": (
        "INSERT",
        "login_session 901",
        ...,
        1,
    ),
    "UPDATE api_token SET revoked = now()": ("UPDATE", "api_token ci", ..., 1),
    "DELETE FROM worker WHERE id = 902": ("DELETE", "worker b", ..., 1),
}
# What happens all the time, and changes nothing that an operator decides.
_LIFE: tuple[LiteralString, ...] = (
    "UPDATE worker SET status = 'stale', last_heartbeat = now()",
    "UPDATE worker SET status = 'active', capabilities = '{\"runtimes\": []}'",
    "UPDATE api_token SET last_used = now()",
    "UPDATE execution SET status = 'running' WHERE id = 902",
    "UPDATE execution SET status = 'completed', result = '1' WHERE id = 902",
    "UPDATE runtime SET name = name",
    "UPDATE sensor_lease SET wanted = NULL, renewed_at = now()",
    "UPDATE node_request SET answer = '{}', answered_at = now()",
)


class Lines:
    """The audit of a database, as its owner reads it."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self._last = 0
        self.new()

    def new(self) -> list[dict[str, Any]]:
        """What was written since the last look."""
        found = self._connection.execute("SELECT * FROM audit WHERE id > %s ORDER BY id", (self._last,)).fetchall()
        self._last = max([self._last, *(line["id"] for line in found)])
        return found

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def lines(migrated_database: str) -> Any:
    made = Lines(migrated_database)
    yield made
    made.close()


def test_every_change_by_sql_is_a_line_with_login_and_difference_and_no_secret(
    migrated_database: str, logins: Logins, lines: Lines
) -> None:
    url = logins.url("boss", "admin")
    with psycopg.connect(migrated_database, autocommit=True) as owner:
        for statement in _SCENE:
            owner.execute(statement)
    assert "hush" not in str(lines.new())
    with psycopg.connect(url, autocommit=True, application_name="attune ann@desk") as admin:
        for statement, (method, path, detail, count) in _CHANGES.items():
            admin.execute(statement)
            (line,) = lines.new()
            assert (line["method"], line["path"], line["status"], line["count"]) == (method, path, None, count)
            assert (line["login"], line["program"]) == (admin.info.user, "attune ann@desk")
            assert line["actor"] in ("ann@desk", "ann", "bob"), statement
            assert not any(text in str(line) for text in ("hush", "68757368"))
            assert detail in (..., line["detail"]), line["detail"]
        for statement in _LIFE:
            admin.execute(statement)
            assert lines.new() == [], statement


def test_a_long_change_is_cut_and_begins_with_the_commands(migrated_database: str, lines: Lines) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as owner:
        owner.execute("INSERT INTO worker (name, worker_type) VALUES ('a', 'local')")
        owner.execute(
            "INSERT INTO node_request (worker, kind, body, asked_by, expires) SELECT id, 'check', jsonb_build_object("
            '\'a\', repeat(\'x\', 9000), \'distributions\', \'{"verification": {"commands": [{"a": 1, "binary": "sh",'
            ' "args": ["-c", "id"]}]}}\'::jsonb), \'ann\', now() FROM worker'
        )
    (line,) = lines.new()

    assert line["detail"]["cut"].startswith('{"run": [["sh", ["-c", "id"]]]')
    assert len(str(line["detail"])) < 4096
    assert len(line["detail"]["sha256"]) == 64


def test_nobody_but_the_owner_changes_the_audit_or_writes_another_login_into_it(
    migrated_database: str, logins: Logins, lines: Lines
) -> None:
    insert = "INSERT INTO audit (actor, method, path, status, login) VALUES ('ann', 'GET', '/', %s, 'postgres')"
    for role in ("admin", "node", "reader"):
        with psycopg.connect(logins.url(role, role), autocommit=True) as connection:
            for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
            if role == "admin":
                connection.execute(insert, (200,))
                connection.execute(insert, (403,))
                done, refused = lines.new()
                assert (done["login"], done["actor"]) == (connection.info.user, "ann")
                for line in (done, refused):
                    connection.execute("SELECT count_refusals(%s, 299, 0)", (line["id"],))
                connection.execute("SELECT set_config('attune.changed_by', 'somebody else', false)")
                connection.execute("UPDATE runtime SET name = 'X' WHERE ref = 'core.python'")
                login = connection.info.user
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(insert, (200,))
    with psycopg.connect(migrated_database) as owner:
        counts = owner.execute("SELECT count, last IS NULL FROM audit WHERE path = '/' ORDER BY id").fetchall()
        history = owner.execute("SELECT changed_by, login FROM runtime_history ORDER BY id DESC LIMIT 1").fetchall()
    assert counts == [(1, True), (300, False)]
    assert history == [("somebody else", login)]


async def requests(api: Api, count: int) -> list[AuditRecord]:
    """The lines of requests, oldest first, once there are *count*; each is written just after its answer."""
    for _ in range(200):
        lines = await api.services.tokens.list_audit(AuditFilter(limit=1000))
        found = [line for line in reversed(lines) if line.status]
        if sum(line.count for line in found) >= count:
            break
        await asyncio.sleep(0.02)
    return found


def test_a_request_is_a_line_with_its_body_without_secrets_and_what_came_of_it(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        admin = api.as_(Scope.ADMIN)
        await api.http.post("/api/tokens", json={"name": "ci", "scope": "read"}, headers=admin)
        await api.http.put("/api/secrets/db", json={"value": "hush hush"}, headers=admin)
        await api.http.put("/api/secrets/db", json={"value": 12345}, headers=admin)
        await api.http.post("/api/tokens", json={"name": "ci"}, headers=admin)
        await api.http.post("/api/tokens", json={"name": "ci"}, headers=api.as_(Scope.READ))
        await api.http.post("/api/tokens", json={"name": "stranger"})
        lines = await requests(api, 6)

        told = [(line.actor, line.action, line.status, line.code, line.detail) for line in lines]
        assert told == [
            ("test admin", "POST /api/tokens", 201, None, {"name": "ci", "scope": "read"}),
            ("test admin", "PUT /api/secrets/db", 204, None, {"value": "***"}),
            ("test admin", "PUT /api/secrets/db", 422, "unprocessable_entity", {"value": "***"}),
            ("test admin", "POST /api/tokens", 409, "usage", {"name": "ci"}),
            ("test read", "POST /api/tokens", 403, "forbidden", {"name": "ci"}),
            ("nobody", "POST /api/tokens", 401, "unauthorized", None),
        ]
        assert {line.client for line in lines} == {"127.0.0.1"}
        ((login, program),) = {(line.login, line.program) for line in lines}
        assert (login in ("attune", "postgres"), program) == (True, "test api")
        assert lines[0].token is not None

    with_api(migrated_database, check)


def test_a_dry_run_leaves_the_commands_that_it_ran(migrated_database: str, lines: Lines) -> None:
    command = {"binary": "sh", "args": ["-c", "id"]}

    async def check(api: Api) -> None:
        async with api.pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_lock(hashtextextended('attune worker a', 0))")
            await connection.execute(
                "INSERT INTO worker (name, worker_type, worker_role, status, capabilities, last_heartbeat)"
                " VALUES ('a', 'local', 'action', 'active', '{}', now())"
            )
            definition = {"name": "x", "distributions": {"verification": {"commands": [command]}}}
            body = {"worker": "a", "definition": definition, "timeout_seconds": 0.5}
            answer = await api.http.post("/api/runtimes/check", json=body, headers=api.as_(Scope.ADMIN))
            await connection.execute("SELECT pg_advisory_unlock_all()")
        assert answer.status_code == 504, "nobody answers"
        (line,) = await requests(api, 1)
        assert line.detail["definition"]["distributions"]["verification"]["commands"] == [command]

    lines.new()
    with_api(migrated_database, check)
    (asked,) = [line for line in lines.new() if line["path"] == "node_request check"]
    assert (asked["actor"], asked["detail"]["run"], asked["detail"]["nodes"]) == (
        "test admin",
        [["sh", ["-c", "id"]]],
        ["a"],
    )


def test_logins_and_what_their_sessions_do_are_told_with_the_session(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        (record,) = [token for token in await api.services.tokens.list_tokens() if token.name == "test operate"]
        code = await api.services.tokens.login_link(record.id)
        by_link = await api.http.get(f"/login?code={code}")
        await api.http.get(f"/login?code={code}")
        await api.http.post("/login", data={"token": api.tokens[Scope.ADMIN]})
        session = by_link.cookies[SESSION_COOKIE]
        await api.http.post("/logout", headers={"Cookie": f"{SESSION_COOKIE}={session}"})
        lines = await requests(api, 4)

        told = [(line.actor, line.action, line.status) for line in lines]
        assert told == [
            ("test operate", "GET /login", 303),
            ("nobody", "GET /login", 401),
            ("test admin", "POST /login", 303),
            ("test operate", "POST /logout", 403),
        ]
        assert lines[0].session == lines[3].session == session_name(session)
        assert code not in str(lines) and session not in str(lines)

    with_api(migrated_database, check)


def test_refusals_by_the_limits_are_lines_too(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        await api.http.get("/api/me?token=hush")
        await api.http.get("/api/me?x=%ff")
        await api.http.get(f"/api/me?{'x' * 20_000}")
        await api.http.get("/api/me", headers={"Host": "evil.example"})
        await api.http.get("/api/me", headers={"X": "x" * 40_000})
        await api.http.post("/api/tokens", content=b"x" * 2_000_000, headers=api.as_(Scope.ADMIN))
        lines = await requests(api, 6)

        assert sorted((line.status or 0, line.count) for line in lines) == [
            (400, 2), (413, 1), (414, 1), (421, 1), (431, 1),
        ]  # fmt: skip
        assert "hush" not in str(lines)

    with_api(migrated_database, check)


def test_what_is_no_request_at_all_is_a_line(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        address = (api.http.base_url.host, api.http.base_url.port or 0)
        reader, writer = await asyncio.open_connection(*address, family=socket.AF_INET)
        writer.write(b"hello\r\n\r\n")
        assert b"400" in await reader.readline()
        writer.close()
        (line,) = await requests(api, 1)
        assert (line.actor, line.path, line.status, line.client) == ("nobody", "(no request)", 400, "127.0.0.1")

    with_server(migrated_database, check)


def test_of_three_hundred_refusals_all_are_counted_in_one_line(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        for _ in range(10):
            await asyncio.gather(*(api.http.get("/api/me") for _ in range(30)))
        (line,) = await requests(api, 300)
        assert (line.count, line.status, line.last is not None) == (300, 401, True)

    with_api(migrated_database, check)


def test_the_audit_is_filtered_and_paged_over_the_api(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        admin = api.as_(Scope.ADMIN)
        for name in ("a", "b"):
            await api.http.post("/api/tokens", json={"name": name}, headers=admin)
        await api.http.get("/api/me")
        await requests(api, 3)

        async def found(query: str) -> list[str]:
            answer = await api.http.get(f"/api/audit?{query}", headers=admin)
            return [f"{line['method']} {line['path']} {line['status']}" for line in answer.json()["data"]]

        made = ["POST /api/tokens 201"] * 2
        assert await found("who=test+admin&action=/api/") == made
        assert "INSERT api_token a None" in await found("who=test+admin&result=ok")
        assert await found("result=refused&since=60") == ["GET /api/me 401"]
        assert await found("action=post+/API/tok") == made
        first = (await api.http.get("/api/audit?action=/api/tok&limit=1", headers=admin)).json()
        assert await found(f"action=/api/tok&cursor={first['next']}") == made[:1]
        for query in ("result=x", "since=0", "since=nan"):
            assert (await api.http.get(f"/api/audit?{query}", headers=admin)).status_code == 422, query

    with_api(migrated_database, check)
