"""What retention removes of a whole installation, what it leaves, and who may say how long things are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from attune.cli.installation.db import db
from logins import Logins
from waiting import rows

OLD = "now() - interval '40 days'"
FILL = f"""
    INSERT INTO event (id, trigger_ref, created) VALUES (1, 'a.old', {OLD}), (2, 'a.old', {OLD}), (3, 'a.new', now());
    INSERT INTO event (id, trigger_ref, created, pending) VALUES (4, 'a.waits', {OLD}, true);
    INSERT INTO enforcement (id, rule_ref, trigger_ref, event, status, payload, created)
    VALUES (1, 'a.r', 'a.old', 1, 'processed', '{{}}', {OLD}), (2, 'a.r', 'a.old', 2, 'processed', '{{}}', {OLD});
    INSERT INTO execution (id, action_ref, status, enforcement, parent, retry_of, created, updated, finished_at) VALUES
        (1, 'a.ended', 'completed', 1, NULL, NULL, {OLD}, {OLD}, {OLD}),
        (2, 'a.runs', 'running', 2, NULL, NULL, {OLD}, {OLD}, NULL),
        (3, 'a.parent', 'completed', NULL, NULL, NULL, {OLD}, {OLD}, {OLD}),
        (4, 'a.child', 'completed', NULL, 3, NULL, {OLD}, now(), now()),
        (5, 'a.first', 'failed', NULL, NULL, NULL, {OLD}, {OLD}, {OLD}),
        (6, 'a.again', 'requested', NULL, NULL, 5, {OLD}, {OLD}, NULL),
        (7, 'a.long', 'failed', NULL, NULL, NULL, {OLD}, {OLD}, now());
    INSERT INTO execution_output (execution, attempt, number, stream, text, created)
    SELECT e, 1, 1, 'stdout', 'x', {OLD} FROM generate_series(1, 7) AS e;
    INSERT INTO runtime_transition (worker, runtime_ref, name, from_status, to_status, reason, at)
    SELECT w.id, 'a.b', 'b', 'available', 'unavailable', '', now() - interval '100 days' FROM worker AS w;
    INSERT INTO audit (at, actor, method, path, status) VALUES (now() - interval '400 days', 'x', 'GET', '/old', 403);
"""
NODES = """
    INSERT INTO worker (name, worker_type, status, last_heartbeat) VALUES
        ('gone', 'local', 'lost', now() - interval '8 days'), ('away', 'local', 'inactive', now() - interval '6 days');
"""


@pytest.fixture
def filled(migrated_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("ALTER TABLE execution DISABLE TRIGGER USER")
        connection.execute(NODES.encode())
        connection.execute(FILL.encode())
        connection.execute("ALTER TABLE execution ENABLE TRIGGER USER")
    monkeypatch.setenv("DATABASE_URL", migrated_database)
    monkeypatch.chdir(tmp_path)
    return migrated_database


def left(url: str, table: str) -> list[int]:
    return [number for (number,) in rows(url, f"SELECT id FROM {table} ORDER BY id")]


def command(*arguments: str) -> Any:
    done = CliRunner().invoke(db, ["retention", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def test_what_is_referred_to_runs_or_waits_stays(filled: str) -> None:
    said = command("--apply").stderr

    assert "executions: 1 removed" in said
    assert left(filled, "execution") == [2, 3, 4, 5, 6, 7]
    assert left(filled, "enforcement") == [2]
    assert left(filled, "event") == [2, 3, 4]
    assert [one for (one,) in rows(filled, "SELECT name FROM worker")] == ["away"]
    assert rows(filled, "SELECT count(*) FROM runtime_transition WHERE at < now() - interval '90 days'") == [(0,)]
    assert rows(filled, "SELECT count(*) FROM audit WHERE path = '/old'") == [(0,)]
    printed = rows(filled, "SELECT execution FROM execution_output ORDER BY 1")
    assert [one for (one,) in printed] == [2, 4, 6, 7], "the output of what ended long ago goes first"


def test_what_would_go_is_shown_before_it_goes(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE__RETENTION__EVENTS", "41d")
    found = {one["kind"]: one for one in json.loads(command("--json").stdout)}

    assert found["executions"] == {"kind": "executions", "keep_seconds": 30 * 86400, "expired": 1, "removed": 0}
    assert found["events"]["expired"] == 0
    assert left(filled, "execution") == [*range(1, 8)]
    shown = [line.split() for line in command().stdout.splitlines()]
    assert ["executions", "30d", "1", "0"] in shown
    assert ["history", "for", "ever", "0", "0"] in shown


def test_rows_from_before_the_upgrade_are_as_old_as_the_upgrade(filled: str) -> None:
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("UPDATE retention SET since = now()")
    command("--apply")

    assert left(filled, "execution") == [*range(1, 8)]


def test_only_an_operator_says_how_long_things_are_kept(filled: str, logins: Logins) -> None:
    with psycopg.connect(logins.url("w1"), autocommit=True) as node:
        assert node.execute("SELECT remove_expired('events', 100, 0.001)").fetchone() == (0,)
        assert node.execute("SELECT remove_expired('executions', 100, 0.001)").fetchone() == (1,)
        for statement in ("UPDATE retention SET keep_seconds = 1", "SELECT * FROM expired('events', now(), 9)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                node.execute(statement.encode())
    assert rows(filled, "SELECT keep_seconds FROM retention WHERE kind = 'events'") == [(30 * 86400.0,)]


def test_two_at_once_remove_nothing_twice(filled: str) -> None:
    with psycopg.connect(filled) as first, psycopg.connect(filled, autocommit=True) as second:
        assert first.execute("SELECT remove_expired('executions', 100)").fetchone() == (1,)
        assert second.execute("SELECT remove_expired('executions', 100)").fetchone() == (0,)
        first.rollback()
        assert second.execute("SELECT remove_expired('executions', 100)").fetchone() == (1,)
    assert rows(filled, "SELECT removed FROM retention WHERE kind = 'executions'") == [(1,)]
