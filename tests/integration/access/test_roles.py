"""What the roles of the database may do: the matrix of rights, and attacks by the login of a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from attune.cli.installation.db import db
from attune.core.ports.nodes import Overdue
from logins import Logins

MATRIX = Path(__file__).with_name("rights.txt")
ROLES = ("attune_admin", "attune_node", "attune_reader")
_RIGHTS = """
WITH right_of AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' ELSE 'table ' END || c.relname AS object,
           g.rolname AS role,
           (SELECT string_agg(left(p.word, 1), '' ORDER BY p.turn) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE',
                'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) WITH ORDINALITY AS p (word, turn)
            WHERE c.relkind <> 'S' AND has_table_privilege(g.oid, c.oid, p.word)) AS whole,
           CASE WHEN c.relkind = 'S' AND has_sequence_privilege(g.oid, c.oid, 'USAGE') THEN 'U' END AS used,
           (SELECT string_agg(columns.text, ' ' ORDER BY columns.text) FROM (
                SELECT left(p.word, 1) || '(' || string_agg(a.attname, ',' ORDER BY a.attname) || ')' AS text
                FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p (word)
                JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE c.relkind <> 'S' AND has_column_privilege(g.oid, c.oid, a.attnum, p.word)
                  AND NOT has_table_privilege(g.oid, c.oid, p.word) GROUP BY p.word) AS columns) AS parts
    FROM pg_class AS c CROSS JOIN pg_roles AS g
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'S') AND g.rolname = ANY (%(roles)s)
    UNION ALL
    SELECT 'function ' || p.proname, g.rolname, NULL,
           CASE WHEN has_function_privilege(g.oid, p.oid, 'EXECUTE') THEN 'X' END, NULL
    FROM pg_proc AS p CROSS JOIN pg_roles AS g
    WHERE p.pronamespace = 'public'::regnamespace AND g.rolname = ANY (%(roles)s)
)
SELECT object || ': ' || string_agg(substring(role FROM 8) || ' ' || coalesce(
    nullif(concat_ws(' ', whole, used, parts), ''), '-'), ', ' ORDER BY role)
FROM right_of GROUP BY object ORDER BY object COLLATE "C"
"""


def test_every_table_view_sequence_and_function_has_the_rights_that_somebody_decided(migrated_database: str) -> None:
    """`rights.txt` has one line each; a new one fails here until it is written there, and in `sql/rights.sql`."""
    with psycopg.connect(migrated_database) as connection:
        found = [line for (line,) in connection.execute(_RIGHTS, {"roles": list(ROLES)}).fetchall()]

    assert found == MATRIX.read_text().splitlines()


def test_functions_are_pinned_and_those_with_the_rights_of_the_owner_are_nobody_elses(migrated_database: str) -> None:
    with psycopg.connect(migrated_database) as connection:
        loose = connection.execute("""
            SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND NOT coalesce(
                proconfig @> ARRAY['search_path=pg_catalog, public, pg_temp'], false)
        """).fetchall()
        public = connection.execute("""
            SELECT proname FROM pg_proc AS p, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a
            WHERE pronamespace = 'public'::regnamespace AND prosecdef AND a.grantee = 0
        """).fetchall()
        unguarded = connection.execute("""
            SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
              AND NOT c.relrowsecurity AND (has_any_column_privilege('attune_node', c.oid, 'UPDATE')
                OR has_any_column_privilege('attune_node', c.oid, 'INSERT')
                OR has_table_privilege('attune_node', c.oid, 'DELETE'))
        """).fetchall()

    assert (loose, public, unguarded) == ([], [("runs_sensor",)], [("capability",)])


_SCENE: tuple[LiteralString, ...] = (
    "INSERT INTO worker (id, name, worker_type, worker_role, status, capabilities, login, last_heartbeat)"
    " SELECT * FROM (VALUES (901, 'a', 'local'::worker_type_enum, 'action'::worker_role_enum,"
    " 'active'::worker_status_enum, '{}'::jsonb, %(a)s::name, now()),"
    " (902, 'b', 'local', 'action', 'active', '{}', %(b)s, now()),"
    " (903, 's', 'local', 'sensor', 'active', '{}', %(b)s, now())) AS w",
    "INSERT INTO pack (id, ref, label, version) VALUES (901, 'acme', 'Acme', '1.0.0')",
    "INSERT INTO action (id, ref, pack, pack_ref, label, description, entrypoint)"
    " VALUES (901, 'acme.act', 901, 'acme', 'x', 'x', 'x')",
    "INSERT INTO trigger (id, ref, pack, pack_ref, label, enabled) VALUES (901, 'acme.t', 901, 'acme', 'x', true)",
    "INSERT INTO sensor (id, ref, pack, pack_ref, label, description, entrypoint, runtime, runtime_ref, trigger,"
    " trigger_ref, enabled) VALUES (901, 'acme.s', 901, 'acme', 'x', 'x', 'x', (SELECT min(id) FROM runtime),"
    " 'core.python', 901, 'acme.t', true)",
    "INSERT INTO rule (id, ref, pack, pack_ref, label, description, action, action_ref, trigger, trigger_ref,"
    " conditions, enabled) VALUES (901, 'acme.r', 901, 'acme', 'x', 'x', 901, 'acme.act', 901, 'acme.t', '[]', true)",
    "INSERT INTO requirement_class (queue, requirement) VALUES ('q', 'x')",
    "INSERT INTO worker_class (queue, worker) VALUES ('q', 902)",
    "INSERT INTO worker_load (worker, role, name, active) VALUES (901, 'worker', 'a', true),"
    " (902, 'worker', 'b', true)",
    "INSERT INTO worker_runtime (worker, runtime_ref, name, status, reason)"
    " VALUES (902, 'core.python', 'python', 'available', 'x')",
    "INSERT INTO execution (id, action, action_ref, config, status, worker, worker_name, attempt, queue, requirement)"
    " VALUES (901, 901, 'acme.act', '{\"k\": \"hidden\"}', 'running', 902, 'b', 1, 'q', 'x')",
    "INSERT INTO execution (id, action, action_ref, config, status, queue, requirement, job) SELECT 902, 901,"
    " 'acme.act', '{}', 'scheduled', 'q', 'x', (procrastinate_defer_jobs_v1(ARRAY[ROW('q',"
    " 'attune.execute', 0, NULL, NULL, '{\"execution\": 902}', NULL)::procrastinate_job_to_defer_v1]))[1]",
    "INSERT INTO execution_output (execution, attempt, number, stream, text) VALUES (901, 1, 1, 'stdout', 'hidden')",
    "INSERT INTO sensor_lease (sensor, worker, expires_at) VALUES (901, 903, now() + interval '1 hour')",
    "INSERT INTO sensor_journal (sensor, epoch, worker_name) VALUES (901, 1, 's')",
    "INSERT INTO node_request (id, worker, kind, body, asked_by, expires)"
    " VALUES (901, 901, 'check', '{}', 'ann', now() + interval '1 hour'),"
    " (902, 902, 'check', '{}', 'ann', now() + interval '1 hour')",
    "INSERT INTO event (id, trigger, trigger_ref, payload) VALUES (901, 901, 'acme.t', '{}')",
)
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'fleet_watch'
"""


class Scene:
    """A database with nodes `a` and `b`, work and sensors of `b`; and a connection as the login of `a`."""

    def __init__(self, owner: str, node_a: str) -> None:
        self.owner, self.url = owner, node_a
        self.a = psycopg.connect(node_a, autocommit=True)

    def dump(self) -> dict[str, list[Any]]:
        with psycopg.connect(self.owner) as connection:
            tables = [table for (table,) in connection.execute(_TABLES).fetchall()]
            rows = "SELECT to_jsonb(t) FROM {} AS t ORDER BY t::text"
            return {
                table: connection.execute(sql.SQL(rows).format(sql.Identifier(table))).fetchall() for table in tables
            }


@pytest.fixture
def scene(migrated_database: str, logins: Logins) -> Iterator[Scene]:
    names = {name: str(conninfo_to_dict(logins.url(name))["user"]) for name in ("a", "b")}
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        for statement in _SCENE:
            connection.execute(statement, names if "%" in statement else None)
    made = Scene(migrated_database, logins.url("a"))
    yield made
    made.a.close()


ATTACKS: dict[str, LiteralString] = {
    "ask a node": "INSERT INTO node_request (worker, kind, body, asked_by, expires)"
    " VALUES (902, 'check', '{}', 'ann', now() + interval '1 hour')",
    "change what was asked of another": "UPDATE node_request SET body = '{\"commands\": []}' WHERE id = 902",
    "change what was asked of itself": "UPDATE node_request SET body = '{}' WHERE id = 901",
    "give a request to another node": "UPDATE node_request SET worker = 902 WHERE id = 901",
    "answer for another": "UPDATE node_request SET answer = '{}', answered_at = now() WHERE id = 902",
    "forge a result": "UPDATE execution SET status = 'completed', result = '1' WHERE id = 901",
    "settle what waits": "UPDATE execution SET status = 'failed' WHERE id = 902",
    "own an execution": "UPDATE execution SET worker = 901 WHERE id = 901",
    "request an execution": "INSERT INTO execution (action_ref, config) VALUES ('acme.act', '{}')",
    "print for another": "INSERT INTO execution_output (execution, attempt, number, stream, text)"
    " VALUES (901, 1, 2, 'stdout', 'x')",
    "begin what it does not read": "SELECT begin_executions(jsonb_build_array(jsonb_build_object('execution', 902,"
    " 'job', (SELECT max(job) FROM generate_series(1, 9) AS job))), 901, 0)",
    "begin on another node": "SELECT begin_executions(jsonb_agg(jsonb_build_object('execution', 902, 'job', job)),"
    " 902, 1) FROM generate_series(1, 9) AS job",
    "take jobs that it does not read": "SELECT take_jobs(ARRAY['q'], 10)",
    "take jobs of all queues": "SELECT take_jobs(NULL, 10)",
    "take jobs of no queues": "SELECT take_jobs('{}', 10)",
    "give back jobs of others": "SELECT give_back_jobs(ARRAY(SELECT generate_series(1, 100)))",
    "say why another's work waits": "SELECT note_execution(902, 'forged')",
    "delete jobs": "DELETE FROM procrastinate_jobs",
    "fetch jobs": "SELECT procrastinate_fetch_job_v2(NULL, NULL)",
    "cancel jobs": "SELECT procrastinate_cancel_job_v1(1, true, true)",
    "forge a transition": "INSERT INTO runtime_transition (worker, runtime_ref, name, from_status, to_status, reason)"
    " VALUES (902, 'core.python', 'python', 'available', 'unavailable', 'x')",
    "forge a verdict": "UPDATE worker_runtime SET status = 'unavailable' WHERE worker = 902",
    "forget verdicts": "DELETE FROM worker_runtime WHERE worker = 902",
    "forge load": "UPDATE worker_load SET running = 99 WHERE worker = 902",
    "read queues for another": "INSERT INTO worker_class (queue, worker) VALUES ('q', 903)",
    "stop others reading": "DELETE FROM worker_class",
    "invent a class": "INSERT INTO requirement_class (queue, requirement) VALUES ('z', 'z')",
    "forge an enforcement": "INSERT INTO enforcement (rule, rule_ref, trigger_ref, payload)"
    " VALUES (901, 'acme.r', 'acme.t', '{}')",
    "forge an event": "INSERT INTO event (trigger_ref, payload, source, pending) VALUES ('acme.t', '{}', 901, true)",
    "forge an event of nobody": "INSERT INTO event (trigger_ref, payload, pending) VALUES ('acme.t', '{}', true)",
    "have an event looked at again": "UPDATE event SET pending = true",
    "delete a node": "DELETE FROM worker WHERE name = 'b'",
    "end a node": "UPDATE worker SET status = 'inactive' WHERE name = 'b'",
    "take a node over": "INSERT INTO worker (name, worker_type, worker_role, status) VALUES ('b', 'local', 'action',"
    " 'active') ON CONFLICT (name, worker_role) DO UPDATE SET status = 'inactive'",
    "register as somebody": "INSERT INTO worker (name, worker_type, login) VALUES ('x', 'local', 'postgres')",
    "give a node away": "UPDATE worker SET login = 'postgres' WHERE name = 'a'",
    "rename itself": "UPDATE worker SET name = 'c' WHERE name = 'a'",
    "steal a lease": "UPDATE sensor_lease SET worker = 901",
    "end a lease": "UPDATE sensor_lease SET expires_at = now()",
    "delete a lease": "DELETE FROM sensor_lease",
    "send a sensor to itself": "UPDATE sensor_lease SET wanted = 901",
    "take a lease for another": 'SELECT take_leases(\'[{"sensor": 901, "dead": 1}]\', 903, 60)',
    "take a lease that is held": 'SELECT take_leases(\'[{"sensor": 901, "dead": 1}]\', 901, 60)',
    "skip lines of a sensor": "UPDATE sensor_journal SET shipped = 999",
    "forget a journal": "DELETE FROM sensor_journal",
    "move a sensor": "INSERT INTO sensor_position (sensor, position) VALUES (901, '{}')",
    "define": "UPDATE runtime SET distributions = '{}'",
    "change an action": "UPDATE action SET entrypoint = 'x'",
    "read tokens": "SELECT digest FROM api_token",
    "write audit": "INSERT INTO audit (actor, method, path, status) VALUES ('ann', 'GET', '/', 200)",
    "set how long nodes may be silent": "UPDATE fleet_watch SET lost_after = 0",
    "replay": "SELECT replay_dead_letter('result', '{\"execution\": 901, \"attempt\": 1}', 'postgres')",
    "read rules": "SELECT conditions FROM rule",
    "read pack settings": "SELECT config FROM pack",
    "plant a function": "CREATE FUNCTION public.hashtextextended(text, integer) RETURNS bigint LANGUAGE sql"
    " AS 'SELECT 1'",
    "attach the owner's function": "CREATE TEMP TABLE runtime (ref text); CREATE TRIGGER t AFTER INSERT ON"
    " runtime FOR EACH ROW EXECUTE FUNCTION record_runtime_change()",
}


def test_a_node_is_refused_what_is_not_its_own(scene: Scene) -> None:
    before = scene.dump()
    for name, statement in ATTACKS.items():
        refusal: Any = None
        try:
            cursor = scene.a.execute(statement)
            refusal = "no rows" if cursor.rowcount == 0 else cursor.fetchall() if cursor.description else "done"
        except psycopg.errors.InsufficientPrivilege as error:
            refusal = error
        except psycopg.Error as error:
            refusal = f"{name}: not refused, but failed: {error}"
            pytest.fail(refusal)
        assert refusal != "done", name
        after = scene.dump()
        assert {table for table in before if before[table] != after[table]} == set(), (name, refusal)


def test_what_a_node_once_ran_of_a_sensor_lets_it_touch_no_journal_of_another(scene: Scene) -> None:
    with psycopg.connect(scene.owner) as owner:
        owner.execute(
            "INSERT INTO worker (id, name, worker_type, worker_role, status, login)"
            " SELECT 904, 'was', 'local', 'sensor', 'lost', login FROM worker WHERE name = 'a'"
        )
        owner.execute("INSERT INTO sensor_journal (sensor, epoch, worker_name) VALUES (901, 0, 'was')")

    assert scene.a.execute("UPDATE sensor_journal SET shipped = 7 RETURNING worker_name").fetchall() == [("was",)]
    assert scene.a.execute("DELETE FROM sensor_journal RETURNING worker_name").fetchall() == [("was",)]
    with psycopg.connect(scene.owner) as owner:
        assert owner.execute("SELECT worker_name, shipped FROM sensor_journal").fetchall() == [("s", 0)]


TIMES: tuple[LiteralString, ...] = (
    "UPDATE worker SET last_heartbeat = {} WHERE name = 'a'",
    "INSERT INTO worker_runtime (worker, runtime_ref, name, status, reason, checked_at)"
    " VALUES (901, 'core.shell', 'shell', 'available', 'x', {})",
    "INSERT INTO runtime_transition (worker, runtime_ref, name, from_status, to_status, reason, at)"
    " VALUES (901, 'core.shell', 'shell', 'available', 'unavailable', 'x', {})",
    "UPDATE execution SET finished_at = {} WHERE id = 901",
    "UPDATE node_request SET answer = '{{}}', answered_at = {} WHERE id = 901",
    "UPDATE sensor_lease SET expires_at = {} WHERE sensor = 901",
)


@pytest.mark.parametrize("statement", TIMES)
def test_no_time_that_is_still_to_come_is_believed(scene: Scene, statement: LiteralString) -> None:
    with psycopg.connect(scene.owner) as owner:
        owner.execute("UPDATE execution SET worker = 901 WHERE id = 901")
        owner.execute("UPDATE sensor_lease SET worker = 901 WHERE sensor = 901")
    times: tuple[LiteralString, ...] = ("'infinity'", "'-infinity'", "now() + interval '10 years'")
    for time in times:
        with pytest.raises(psycopg.errors.CheckViolation, match="still to come, or no time"):
            scene.a.execute(statement.format(time))
    scene.a.execute(statement.format("now()"))


def test_no_login_of_a_node_can_hold_up_what_begins(scene: Scene) -> None:
    scene.a.execute("SELECT pg_advisory_lock(hashtext('attune pause'))")
    with psycopg.connect(scene.owner) as owner:
        owner.execute("SET lock_timeout = '5s'")
        owner.execute("SELECT close_start_gate()")
    for statement in ("SELECT close_start_gate()", "LOCK TABLE start_gate IN EXCLUSIVE MODE"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), scene.a.transaction():
            scene.a.execute(statement.encode())


def test_a_node_reads_only_what_is_asked_of_it_and_what_it_holds(scene: Scene) -> None:
    def count(table: str) -> int:
        row = scene.a.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        return int(row[0])

    assert [count(table) for table in ("node_request", "execution", "execution_output", "event")] == [1, 0, 0, 0]
    with psycopg.connect(scene.owner) as owner:
        owner.execute("UPDATE execution SET worker = 901 WHERE id = 901")
    assert [count(table) for table in ("execution", "execution_output")] == [1, 1]


def test_a_node_marks_others_by_the_limits_of_the_operator(migrated_database: str, logins: Logins) -> None:
    url = logins.url("a", overdue=Overdue(1000, 2000))
    with psycopg.connect(migrated_database, autocommit=True) as owner, psycopg.connect(url, autocommit=True) as node:
        owner.execute(
            "INSERT INTO worker (name, worker_type, status, last_heartbeat)"
            " VALUES ('b', 'local', 'active', now() - interval '900 seconds')"
        )
        owner.execute("UPDATE fleet_watch SET uptime = 900")
        judge = node.execute("SELECT id FROM claim_node('a', 'action', 'host', 7, NULL, NULL)").fetchone()
        node.execute("SELECT mark_overdue(0, 0, 0, 0, %s)", judge)
        assert owner.execute("SELECT status::text FROM worker WHERE name = 'b'").fetchone() == ("active",)
        assert owner.execute("SELECT uptime > 900 FROM fleet_watch").fetchone() == (True,)
        assert owner.execute("SELECT stale_after, lost_after FROM fleet_watch").fetchone() == (1000, 2000)


def test_the_name_of_a_node_that_another_login_runs_is_not_to_be_had(scene: Scene) -> None:
    claim = "SELECT epoch, holder FROM claim_node('b', 'action', 'host', 7, %s, 'boot')"
    with psycopg.connect(scene.owner, autocommit=True) as owner:
        owner.execute(
            "UPDATE worker SET last_heartbeat = now(), status = 'active', instance_key = 'k' WHERE name = 'b'"
        )
        assert scene.a.execute(claim, ("other",)).fetchone()[0] is None  # type: ignore[index]
        for status in ("active", "inactive"):
            owner.execute("UPDATE worker SET status = %s WHERE name = 'b'", (status,))
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the name is that of login"):
                scene.a.execute(claim, ("k",))


def test_a_login_is_granted_and_altered_by_the_command(
    migrated_database: str, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", migrated_database)

    def grant(*arguments: str) -> str:
        done = CliRunner().invoke(db, ["grant", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    password = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    login = f"attune_node_{logins.name('c')}"
    logins.url("c")
    with psycopg.connect(migrated_database, autocommit=True) as owner:
        owner.execute("INSERT INTO worker (name, worker_type) VALUES (%s, 'local')", (logins.name("c"),))
        url = grant(logins.name("c"))
        assert (conninfo_to_dict(url)["user"], owner.execute(password, (login,)).fetchone()) == (login, (None,))
        assert owner.execute("SELECT login FROM worker").fetchone() == (login,)
        with psycopg.connect(grant(logins.name("c"), "--password")) as node:
            assert node.execute("SELECT session_user, current_setting('search_path')").fetchone() == (login, "public")
        (verifier,) = owner.execute(password, (login,)).fetchone() or ("",)
    assert verifier.startswith("SCRAM-SHA-256$")
    assert CliRunner().invoke(db, ["grant", "x" * 60]).exit_code != 0
