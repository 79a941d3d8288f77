"""Databases that were there before: recognised and taken over where they stand, or refused and left alone."""

from __future__ import annotations

import pytest

from attune.core.errors import DatabaseError
from attune.postgres.migrations.run import downgrade, state, upgrade, upgrade_sql
from schema_dump import HERE, rows_of, schema_of

# What the earlier installation's own unify step leaves: five names of the core pack, and no more.
THEIR_UNIFY = """
UPDATE runtime SET distributions = '{}' WHERE jsonb_typeof(distributions) = 'string';
DELETE FROM worker WHERE runtime IN (4, 6, 7, 9, 11);
UPDATE action SET runtime = 3 WHERE runtime = 4; UPDATE sensor SET runtime = 3 WHERE runtime = 4;
UPDATE action SET runtime = 5 WHERE runtime IN (6, 7); UPDATE sensor SET runtime = 5 WHERE runtime IN (6, 7);
UPDATE action SET runtime = 8 WHERE runtime = 9; UPDATE sensor SET runtime = 8 WHERE runtime = 9;
UPDATE action SET runtime = 10 WHERE runtime = 11; UPDATE sensor SET runtime = 10 WHERE runtime = 11;
DELETE FROM runtime WHERE id IN (4, 6, 7, 9, 11);
ALTER TABLE runtime DROP CONSTRAINT runtime_ref_format;
UPDATE runtime SET ref = 'core.python' WHERE id = 3; UPDATE runtime SET ref = 'core.nodejs' WHERE id = 5;
UPDATE runtime SET ref = 'core.shell' WHERE id = 8; UPDATE runtime SET ref = 'core.native' WHERE id = 10;
ALTER TABLE runtime DROP COLUMN runtime_type;
DROP TYPE runtime_type_enum;
CREATE INDEX idx_runtime_name ON runtime (name);
CREATE INDEX idx_runtime_verification ON runtime USING gin ((distributions->'verification'));
ALTER TABLE runtime ADD COLUMN execution_config jsonb DEFAULT '{}' NOT NULL;
CREATE TABLE runtime_version (id bigserial PRIMARY KEY,
    runtime bigint NOT NULL REFERENCES runtime (id) ON DELETE CASCADE,
    runtime_ref text NOT NULL, version text NOT NULL, UNIQUE (runtime, version));
INSERT INTO runtime_version (runtime, runtime_ref, version)
VALUES (13, 'acme.action.ruby', '3.2'), (2, 'core.sensor.python3', '3.11');
DROP TABLE enforcement CASCADE;
INSERT INTO _sqlx_migrations VALUES (20260203000001, 'unify runtimes', now(), true, '\\x00', 1),
    (20260209000000, 'later', now(), true, '\\x00', 1);
"""


def test_a_database_of_the_earlier_migrations_is_adopted_at_the_baseline(legacy):
    found = state(legacy.url)
    assert (found.origin, found.current, found.problem) == ("upstream", None, None)
    assert found.pending[0] == "20260203000001_unify_runtimes"

    report = upgrade(legacy.url)

    assert report.adopted == "20250101000001_baseline"
    assert state(legacy.url).origin == "attune"
    assert legacy.value("SELECT count(*) FROM _sqlx_migrations") == 2


def test_a_database_built_by_hand_is_adopted_by_its_structure(legacy):
    legacy.query("DROP TABLE _sqlx_migrations")
    assert state(legacy.url).origin == "hand-built"

    report = upgrade(legacy.url)

    assert (report.origin, report.adopted) == ("hand-built", "20250101000001_baseline")


def test_a_database_without_the_foreign_keys_loses_nothing_either(legacy):
    legacy.query(
        "ALTER TABLE sensor DROP CONSTRAINT sensor_runtime_fkey; ALTER TABLE worker DROP CONSTRAINT worker_runtime_fkey"
    )
    legacy.query("UPDATE worker SET runtime = 999 WHERE id = 101")

    upgrade(legacy.url)

    assert (
        legacy.value("SELECT count(*) FROM sensor AS s JOIN runtime AS r ON r.id = s.runtime AND r.ref = s.runtime_ref")
        == 23
    )
    assert legacy.value("SELECT runtime FROM worker WHERE id = 101") == 999


def test_a_database_that_they_unified_is_adopted_there_and_finished(legacy):
    legacy.psql(THEIR_UNIFY)
    before = {table: len(rows) for table, rows in rows_of(legacy, "action", "sensor", "worker").items()}
    found = state(legacy.url)
    assert found.origin == "upstream-between"
    assert found.pending[0] == "20260601000001_earlier_columns"

    report = upgrade(legacy.url)

    assert report.adopted == "20260203000001_unify_runtimes"
    assert [ref for (ref,) in legacy.query("SELECT ref FROM runtime ORDER BY ref")] == [
        *("acme.erlang", "acme.lua", "acme.nodejs", "acme.python", "acme.ruby"),
        *("core.native", "core.nodejs", "core.python", "core.sensor.builtin", "core.shell", "lost.go", "odd.thing"),
    ]
    assert legacy.value("SELECT id FROM runtime WHERE ref = 'core.python'") == 3
    assert (
        legacy.query("SELECT 1 FROM sensor AS s JOIN runtime AS r ON r.id = s.runtime WHERE s.runtime_ref <> r.ref")
        == []
    )
    assert {table: len(rows) for table, rows in rows_of(legacy, *before).items()} == before
    assert legacy.query("SELECT runtime, runtime_ref FROM runtime_version ORDER BY id") == [
        (13, "acme.ruby"),
        (3, "core.python"),
    ]
    assert legacy.value("SELECT execution_config FROM runtime WHERE ref = 'acme.ruby'") == {}
    merged = legacy.query(
        "SELECT old ->> 'ref' FROM runtime_history WHERE operation = 'merge' AND runtime_ref = 'core.python' ORDER BY 1"
    )
    assert merged == [("core.action.python3",), ("core.sensor.python3",)]


def test_a_database_that_they_unified_can_be_split_and_united_again(legacy):
    legacy.psql(THEIR_UNIFY)
    upgrade(legacy.url)
    tables = ("runtime", "action", "sensor", "worker", "runtime_version", "pack")
    before = rows_of(legacy, *tables)

    downgrade(legacy.url, "20250101000001_baseline")

    split = [ref for (ref,) in legacy.query("SELECT ref FROM runtime WHERE ref LIKE 'core.%' ORDER BY ref")]
    assert {"core.action.shell", "core.sensor.shell", "core.sensor.builtin"} <= set(split)
    upgrade(legacy.url)
    assert rows_of(legacy, *tables) == before


def test_the_core_pack_is_not_needed(legacy):
    legacy.query("UPDATE runtime SET pack = NULL; UPDATE action SET pack = 2; DELETE FROM pack WHERE ref = 'core'")

    upgrade(legacy.url)

    assert legacy.query("SELECT pack, pack_ref FROM runtime WHERE ref = 'core.python'") == [(None, "core")]


def test_a_schema_that_comes_first_on_the_search_path_holds_everything(new_database):
    database = new_database()
    database.query(f"CREATE SCHEMA attune; ALTER DATABASE {database.name} SET search_path = attune, public")
    database.query(
        "CREATE TABLE public.alembic_version (version_num text); INSERT INTO public.alembic_version VALUES ('theirs')"
    )
    database.query("CREATE TABLE public.runtime (speed int)")
    database.psql((HERE / "legacy_schema.sql").read_text() + (HERE / "legacy_rows.sql").read_text())
    plain = new_database()
    upgrade(plain.url)

    assert upgrade(database.url).adopted == "20250101000001_baseline"

    assert schema_of(database) == schema_of(plain)
    assert database.query(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    ) == [
        ("alembic_version",),
        ("runtime",),
    ]
    assert database.query("SELECT version_num FROM public.alembic_version") == [("theirs",)]
    with_qualified_name = "UPDATE attune.runtime SET name = 'X' WHERE ref = 'core.python'"
    database.query(f"SET search_path = public; {with_qualified_name}")
    assert database.value("SELECT new ->> 'name' FROM runtime_history ORDER BY id DESC LIMIT 1") == "X"


def test_an_empty_schema_in_front_of_an_existing_installation_is_refused(legacy):
    legacy.query(f"CREATE SCHEMA attune; ALTER DATABASE {legacy.name} SET search_path = attune, public")

    with pytest.raises(
        DatabaseError, match=r"expected the Attune tables in schema attune, .* got them in schema public"
    ):
        upgrade(legacy.url)


def test_the_schema_attune_is_found_even_if_the_search_path_leaves_it_out(legacy):
    legacy.query(
        "CREATE SCHEMA attune; ALTER TABLE runtime SET SCHEMA attune; DROP TABLE worker, sensor, action CASCADE"
    )

    with pytest.raises(DatabaseError, match="got them in schema attune") as caught:
        upgrade(legacy.url)

    assert "search_path = attune, public" in caught.value.hint


def test_bookkeeping_may_lie_in_a_later_schema_than_the_tables(new_database):
    database = new_database()
    database.query(f"CREATE SCHEMA attune; ALTER DATABASE {database.name} SET search_path = attune, public")
    database.psql((HERE / "legacy_schema.sql").read_text() + (HERE / "legacy_rows.sql").read_text())
    database.query("ALTER TABLE _sqlx_migrations SET SCHEMA public")
    assert state(database.url).origin == "upstream"

    database.query("UPDATE _sqlx_migrations SET success = false")

    with pytest.raises(DatabaseError, match="got a failed one: 20250101000001"):
        upgrade(database.url)


def test_the_bookkeeping_of_another_program_says_nothing(database):
    database.query("CREATE TABLE _sqlx_migrations (version bigint, success boolean)")
    database.query("INSERT INTO _sqlx_migrations VALUES (1, false)")

    assert upgrade(database.url).origin == "empty"


def test_a_search_path_without_a_schema_is_refused(database):
    database.query(f"ALTER DATABASE {database.name} SET search_path = missing")

    with pytest.raises(DatabaseError, match="expected a schema on the search path, got none"):
        upgrade(database.url)


def test_a_database_left_midway_is_refused_with_what_it_lacks(legacy):
    legacy.query("ALTER TABLE worker DROP COLUMN worker_role; DROP TABLE execution")
    schema = schema_of(legacy)

    with pytest.raises(DatabaseError, match=r"lacks column worker\.worker_role, table execution") as caught:
        upgrade(legacy.url)

    assert "20260202000001" in caught.value.hint
    assert schema_of(legacy) == schema
    assert "worker_role" in state(legacy.url).problem
    with pytest.raises(DatabaseError):
        upgrade_sql(legacy.url)


def test_a_failed_earlier_migration_is_refused(legacy):
    legacy.query("UPDATE _sqlx_migrations SET success = false WHERE version = 20260202000001")

    with pytest.raises(DatabaseError, match="got a failed one: 20260202000001"):
        upgrade(legacy.url)


def test_other_tables_under_our_names_are_refused_and_left_alone(database):
    database.query("CREATE TABLE runtime (id int, milliseconds int); CREATE TABLE worker (id int)")
    schema = schema_of(database)
    assert state(database.url).origin == "foreign"

    with pytest.raises(DatabaseError, match="got other tables under Attune's names in schema public: runtime, worker"):
        upgrade(database.url)

    assert schema_of(database) == schema


def test_a_revision_that_nobody_here_knows_is_refused(database):
    upgrade(database.url)
    database.query("UPDATE alembic_version SET version_num = '20990101000001_future'")
    assert (state(database.url).origin, state(database.url).pending) == ("foreign", ())

    with pytest.raises(DatabaseError, match="is of a newer Attune: it is at 20990101000001_future, this one knows 2"):
        upgrade(database.url)
    database.query("UPDATE alembic_version SET version_num = '1975ea83b712'")
    with pytest.raises(DatabaseError, match="expected a revision of Attune in table alembic_version, got 1975ea83b712"):
        upgrade(database.url)


def test_a_role_without_rights_is_told_so(database):
    database.query("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    database.query("REVOKE CREATE ON SCHEMA public FROM PUBLIC")

    with pytest.raises(DatabaseError, match="the database role may not migrate: permission denied for schema public"):
        upgrade(database.server.url(database.name, "guest"))


def test_a_server_that_does_not_answer_is_an_error(tmp_path):
    with pytest.raises(DatabaseError, match="cannot reach the database"):
        state(f"postgresql:///nothing?host={tmp_path}")
