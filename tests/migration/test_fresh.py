"""A new database: it has the same schema as a migrated one, and what the design promises of it works."""

from __future__ import annotations

import threading

import psycopg
import pytest

from attune.core.errors import UsageError
from attune.postgres.migrations.run import downgrade, state, upgrade, upgrade_sql
from schema_dump import schema_of

RUBY = r"""
INSERT INTO runtime (ref, pack, pack_ref, name, distributions)
VALUES (
'core.ruby',
(SELECT id FROM pack WHERE ref = 'core'),
'core',
'Ruby',
jsonb_build_object(
'verification', jsonb_build_object(
'commands', jsonb_build_array(
jsonb_build_object(
'binary', 'ruby',
'args', jsonb_build_array('--version'),
'exit_code', 0,
'pattern', 'ruby \d+\.\d+',
'priority', 1
)
)
)
)
);
"""
PYTHON = """
UPDATE runtime
SET distributions = jsonb_set(
distributions,
'{verification,commands,0,binary}',
'"python3.11"'
)
WHERE ref = 'core.python';
"""
DEFINITION = '{"verification": {"commands": [{"binary": "python3", "args": ["--version"]}]}}'


@pytest.fixture
def fresh(database):
    upgrade(database.url)
    return database


def add_runtime(database, ref="core.python", name="Python", distributions=DEFINITION):
    database.query("INSERT INTO runtime (ref, name, distributions) VALUES (%s, %s, %s)", ref, name, distributions)


def test_upgrade_of_an_empty_database_applies_every_revision(database):
    assert state(database.url).origin == "empty"

    report = upgrade(database.url)

    now = state(database.url)
    assert (now.current, now.pending, now.origin, now.problem) == (now.head, (), "attune", None)
    assert report.applied[0] == "20250101000001_baseline"
    assert report.applied[-1] == report.current == now.head
    assert report.adopted is None
    assert all(len(revision) <= 32 for revision in report.applied)


def test_upgrade_again_applies_nothing(fresh):
    report = upgrade(fresh.url)

    assert (report.applied, report.adopted, report.unify) == ((), None, None)


def test_a_fresh_schema_equals_a_migrated_one(new_database, legacy):
    database = new_database()
    upgrade(database.url)
    upgrade(legacy.url)

    assert schema_of(database) == schema_of(legacy)


def test_a_fresh_database_has_no_rows(fresh):
    assert [fresh.value(f"SELECT count(*) FROM {t}") for t in ("pack", "runtime", "worker", "runtime_history")] == [
        0
    ] * 4


def test_the_statements_of_the_specification_work_verbatim(fresh):
    add_runtime(fresh)
    fresh.query(
        "INSERT INTO worker (name, worker_type, capabilities) VALUES ('w', 'local', '{\"runtimes\": [\"python\"]}')"
    )

    fresh.psql(RUBY + PYTHON)

    assert fresh.psql("SELECT ref, name FROM runtime ORDER BY ref;") == "core.python|Python\ncore.ruby|Ruby\n"
    assert fresh.psql("SELECT name, capabilities->'runtimes' FROM worker;") == 'w|["python"]\n'
    assert fresh.psql("SELECT ref, distributions->'verification' FROM runtime WHERE ref = 'core.python';") == (
        'core.python|{"commands": [{"args": ["--version"], "binary": "python3.11"}]}\n'
    )
    assert fresh.value(
        "SELECT distributions #>> '{verification,commands,0,pattern}' FROM runtime WHERE ref = 'core.ruby'"
    ) == (r"ruby \d+\.\d+")
    assert "runtime_type" not in fresh.psql("SELECT attname FROM pg_attribute WHERE attrelid = 'runtime'::regclass;")


def test_printed_sql_makes_the_same_schema(fresh, new_database):
    printed = new_database()

    printed.psql(upgrade_sql(None))

    assert schema_of(printed) == schema_of(fresh)
    assert state(printed.url).pending == ()


def test_printed_sql_for_a_current_database_says_that_nothing_is_pending(fresh):
    text = upgrade_sql(fresh.url)

    assert text.startswith("-- Nothing is pending")
    fresh.psql(text)


def test_printed_sql_holds_only_what_is_pending(database):
    upgrade(database.url, "20260203000001_unify_runtimes")

    text = upgrade_sql(database.url)

    assert "CREATE TABLE pack (" not in text
    database.psql(text)
    assert state(database.url).pending == ()


def test_concurrent_upgrades_migrate_once(database):
    reports = []
    revisions = state(database.url).pending
    threads = [threading.Thread(target=lambda: reports.append(upgrade(database.url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(len(report.applied) for report in reports) == [0, 0, len(revisions)]
    assert state(database.url).pending == ()


def test_parallel_migration_of_several_databases_shares_the_roles(new_database):
    databases = [new_database() for _ in range(3)]
    threads = [threading.Thread(target=upgrade, args=(database.url,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [state(database.url).pending for database in databases] == [(), (), ()]


def test_down_to_the_baseline_and_up_again_gives_the_same_schema(fresh, new_database):
    before = schema_of(fresh)
    baseline = new_database()
    upgrade(baseline.url, "20250101000001_baseline")

    downgrade(fresh.url, "20250101000001_baseline")
    assert schema_of(fresh) == schema_of(baseline)
    upgrade(fresh.url)
    assert schema_of(fresh) == before


def test_an_unknown_revision_is_refused(fresh):
    with pytest.raises(UsageError, match="expected a revision, got 'base'"):
        downgrade(fresh.url, "base")
    with pytest.raises(UsageError, match="expected a revision, got 'nope'"):
        upgrade(fresh.url, "nope")


def test_history_keeps_every_change_of_a_definition_with_who_made_it(fresh):
    with psycopg.connect(fresh.url, autocommit=True) as connection:
        connection.execute("SET attune.changed_by = 'mary'")
        connection.execute("INSERT INTO runtime (ref, name, distributions) VALUES ('core.x', 'X', '{}')")
        connection.execute("RESET attune.changed_by")
        connection.execute("UPDATE runtime SET name = 'Y'")
        connection.execute("UPDATE runtime SET updated = now()")
        connection.execute("UPDATE runtime SET ref = 'core.z'")
        connection.execute("DELETE FROM runtime")

    assert fresh.query(
        "SELECT runtime_ref, operation, old ->> 'name', new ->> 'name', changed_by FROM runtime_history ORDER BY id"
    ) == [
        ("core.x", "insert", None, "X", "mary"),
        ("core.x", "update", "X", "Y", "postgres"),
        ("core.z", "rename", "Y", "Y", "postgres"),
        ("core.z", "delete", "Y", None, "postgres"),
    ]


def test_a_change_of_a_definition_is_notified(fresh):
    with psycopg.connect(fresh.url, autocommit=True) as listener:
        listener.execute("LISTEN attune_runtime")
        add_runtime(fresh, "core.x")
        fresh.query("UPDATE runtime SET updated = now()")
        fresh.query("DELETE FROM runtime")

        heard = [(n.channel, n.payload) for n in listener.notifies(timeout=10, stop_after=2)]
        assert heard == [("attune_runtime", "core.x")] * 2
        assert list(listener.notifies(timeout=0.1)) == []


def test_heartbeats_touch_no_index(fresh):
    fresh.query("INSERT INTO worker (name, worker_type) SELECT 'w' || n, 'local' FROM generate_series(1, 5) AS n")
    with psycopg.connect(fresh.url) as connection:
        for _ in range(3):
            connection.execute("UPDATE worker SET last_heartbeat = now(), meta = '{\"load\": 1}'")
        updated, heap_only = connection.execute(
            "SELECT pg_stat_get_xact_tuples_updated('worker'::regclass),"
            " pg_stat_get_xact_tuples_hot_updated('worker'::regclass)"
        ).fetchone()

    assert (updated, heap_only) == (15, 15)


def test_a_node_is_unique_by_name_and_role(fresh):
    insert = "INSERT INTO worker (name, worker_type, worker_role, status) VALUES ('w', 'local', %s, 'starting')"
    fresh.query(insert, "action")
    fresh.query(insert, "sensor")

    with pytest.raises(psycopg.errors.UniqueViolation):
        fresh.query(insert, "action")


def test_group_roles_separate_definitions_from_nodes(fresh):
    def may(role, statement):
        with psycopg.connect(fresh.url) as connection:
            connection.execute(f"SET ROLE {role}")
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                return False
            finally:
                connection.rollback()
        return True

    define = "INSERT INTO runtime (ref, name, distributions) VALUES ('core.x', 'X', '{}')"
    register = "INSERT INTO worker (name, worker_type) VALUES ('w', 'local')"
    assert may("attune_admin", define)
    assert not may("attune_admin", "DELETE FROM runtime_history")
    assert not may("attune_node", define)
    assert may("attune_node", register)
    assert may("attune_node", "SELECT FROM runtime, pack, worker_runtime, worker_offer, alembic_version")
    assert may("attune_node", "INSERT INTO capability (kind, name) VALUES ('taint', 'x')")
    assert not may("attune_node", "DELETE FROM capability")
    assert may("attune_admin", "UPDATE worker SET status = 'draining'")
    assert not may("attune_node", "UPDATE action SET entrypoint = 'x'")
    assert may("attune_node", "SELECT value FROM secret")
    keep = "INSERT INTO secret (name, value, changed_by) VALUES ('a', 'v1.x.y', 'ann')"
    assert may("attune_admin", keep) and not may("attune_node", keep)


def test_a_role_that_may_not_create_roles_can_migrate(fresh, new_database):
    database = new_database()
    database.query("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    database.query("CREATE SCHEMA plain AUTHORIZATION plain")

    upgrade(database.server.url(database.name, "plain"))

    assert (
        database.value("SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'runtime_history'")
        == "plain"
    )


def test_the_place_in_the_ranking_follows_the_status_and_name_of_a_node(fresh):
    fresh.query("INSERT INTO worker (id, name, worker_type, status) VALUES (1, 'w', 'local', 'active')")
    fresh.query(
        "INSERT INTO worker_load (worker, role, name, active, max_concurrent) VALUES (1, 'worker', 'w', true, 2)"
    )
    place = "SELECT name, able, load FROM worker_load"
    assert fresh.query(place) == [("w", True, 0.0)]

    fresh.query("UPDATE worker_load SET running = 2")
    assert fresh.query(place) == [("w", False, 1.0)]
    fresh.query("UPDATE worker_load SET running = 1")
    fresh.query("UPDATE worker SET status = 'draining', name = 'x'")
    assert fresh.query(place) == [("x", False, 0.5)]
    fresh.query("UPDATE worker SET status = 'active'")
    assert fresh.query(place) == [("x", True, 0.5)]
    fresh.query("DELETE FROM worker")
    assert fresh.query(place) == []
