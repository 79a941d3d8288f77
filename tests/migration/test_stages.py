"""What a database is, at each stage of the earlier installation and beside it, in one sentence with the way out."""

from __future__ import annotations

import threading

import psycopg
import pytest

from attune.core.errors import DatabaseError
from attune.postgres.connection import with_schema
from attune.postgres.migrations import session
from attune.postgres.migrations.run import NAMES, state, upgrade, upgrade_sql
from schema_dump import HERE, schema_of

BETWEEN = (HERE / "june_schema.sql").read_text().partition("-- mark")[0]


def found(database):
    before = schema_of(database)
    seen = state(database.url)
    if seen.problem:
        with pytest.raises(DatabaseError) as caught:
            upgrade(database.url)
        assert (str(caught.value), caught.value.hint) == (seen.problem, seen.remedy) == (seen.finding, seen.remedy)
    with pytest.raises(DatabaseError) as caught:
        seen.require_newest()
    assert (str(caught.value), caught.value.hint) == (seen.finding, seen.remedy)
    assert schema_of(database) == before
    return seen


def test_each_stage_of_the_earlier_installation_is_named(legacy, june, new_database):
    between = new_database()
    between.psql((HERE / "legacy_schema.sql").read_text() + BETWEEN)
    by_hand = new_database(june.name)
    by_hand.query("DROP TABLE _sqlx_migrations")

    stages = {name: found(one) for name, one in {"f": legacy, "b": between, "j": june, "h": by_hand}.items()}

    assert "stage February 2026, before its runtimes were united; it is not" in stages["f"].finding
    assert "stage between February and June 2026, built by hand;" in stages["b"].finding
    assert (stages["j"].origin, stages["h"].origin) == ("upstream-june", "hand-built")
    assert "stage June 2026; it is not adopted yet" in stages["j"].finding
    assert "attune db migrate --report FILE (or attune up --adopt)" in stages["j"].remedy
    assert not any(one.problem for one in stages.values())


def test_nothing_is_adopted_unless_that_is_wanted(june):
    before = schema_of(june)

    with pytest.raises(DatabaseError, match="stage June 2026; it is not adopted yet"):
        upgrade(june.url, adopt=False)

    assert schema_of(june) == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP TABLE event CASCADE; CREATE TABLE event (id bigint) PARTITION BY RANGE (id)", "partitioned table event"),
        ("CREATE TABLE pack_release (id bigint)", "table pack_release"),
        ("CREATE TABLE audit_event (id bigint) PARTITION BY RANGE (id)", "table audit_event, partitioned table audit"),
        ("ALTER TABLE action ADD enabled boolean", "action.enabled"),
        ("UPDATE _sqlx_migrations SET version = 20240101000000 WHERE version = 20250101000001", "migration 2024010100"),
        (
            "CREATE SCHEMA _timescaledb_catalog; CREATE TABLE _timescaledb_catalog.hypertable (schema_name name,"
            " table_name name); INSERT INTO _timescaledb_catalog.hypertable VALUES ('public', 'event')",
            "hypertable event",
        ),
    ],
)
def test_a_newer_one_is_refused_by_what_it_has(june, change, named):
    june.query(change)

    seen = found(june)

    assert seen.origin == "upstream-newer"
    assert f"newer than June 2026: it has {named}" in seen.problem


def test_another_applications_procrastinate_is_named_and_a_schema_of_our_own_is_the_way_out(database):
    database.query("CREATE TABLE procrastinate_jobs (id bigserial, theirs text)")
    seen = found(database)
    assert "got another application's Procrastinate in it: procrastinate_jobs" in seen.problem
    assert "ATTUNE__DATABASE__SCHEMA=attune" in seen.remedy
    own = with_schema(database.url, "attune")
    assert state(own).finding == "the database is empty"
    assert 'CREATE SCHEMA "attune"' in upgrade_sql(own)

    assert upgrade(own).current == NAMES[-1]

    assert state(own).finding is None
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'"
    assert (database.value(tables, "public"), database.value(tables, "attune") > 30) == (1, True)
    with psycopg.connect(own) as connection:
        assert connection.execute("SELECT to_regclass('procrastinate_jobs')::text").fetchone() == (
            "procrastinate_jobs",
        )


def test_a_schema_of_our_own_stands_beside_an_earlier_installation(june):
    before = schema_of(june)

    upgrade(with_schema(june.url, "ours"))

    assert schema_of(june) == before


def test_tables_of_others_beside_ours_are_told_of(database):
    database.query("CREATE TABLE invoice (id int)")

    assert found(database).finding == (
        "the database is empty; schema public has tables of another application: invoice"
    )


def test_who_holds_the_lock_is_named(june, monkeypatch):
    monkeypatch.setattr(session, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(session, "_WAIT_SECONDS", 1)
    monkeypatch.setattr(session, "BEGIN", ("SET LOCAL lock_timeout = '1s'", *session.BEGIN[1:]))
    held, over = threading.Event(), threading.Event()

    def hold():
        with psycopg.connect(june.url, application_name="nightly report") as connection:
            connection.execute("LOCK TABLE runtime IN ACCESS SHARE MODE")
            held.set()
            over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        held.wait(60)
        with pytest.raises(
            DatabaseError, match=r"locked by process \d+ \(nightly report of postgres, in its tran"
        ) as e:
            upgrade(june.url)
    finally:
        over.set()
        holder.join()
    assert "LOCK TABLE runtime IN ACCESS SHARE MODE" in str(e.value)
