"""The audit: every change that operators made to a table, and every request and refusal, with who, what and how."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from logins import Logins

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
