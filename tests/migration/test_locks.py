"""A migration of a database that a fleet uses: what it locks, and how long others wait for it."""

import threading

import psycopg
import pytest

from attune.postgres.migrations.run import NAMES, downgrade, state, upgrade
from waiting import wait_for

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'attune migrate' AND wait_event_type = 'Lock'"


def read(url: str, query: str) -> int:
    with psycopg.connect(url, options="-c statement_timeout=20s") as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def test_whoever_reads_a_table_that_a_migration_waits_for_goes_on(migrated_database: str) -> None:
    downgrade(migrated_database, NAMES[NAMES.index("20260614000001_fleet_guard") - 1])
    before = read(migrated_database, "SELECT count(*) FROM worker_runtime")
    migration = threading.Thread(target=upgrade, args=(migrated_database,))
    with psycopg.connect(migrated_database, application_name="a long read") as holder:
        holder.execute("SELECT count(*) FROM worker_runtime")
        migration.start()
        wait_for(lambda: read(migrated_database, WAITS))
        for _ in range(3):  # each behind the migration, if that waits at this moment
            assert read(migrated_database, "SELECT count(*) FROM worker_runtime") == before
        assert state(migrated_database).pending
    migration.join()

    assert state(migrated_database).pending == ()


@pytest.mark.parametrize(
    ("table", "rows", "told"),
    [
        ("execution", 1_200_000, ("execution (about 1,200,000 rows)",)),
        ("execution", 1000, ()),
        ("sensor_journal", 9_000_000, ()),
    ],
)
def test_a_large_table_that_a_migration_would_index_is_named_before(
    migrated_database: str, table: str, rows: int, told: tuple[str, ...]
) -> None:
    downgrade(migrated_database, NAMES[NAMES.index("20260612000001_retention") - 1])
    with psycopg.connect(migrated_database) as connection:
        connection.execute("UPDATE pg_class SET reltuples = %s WHERE oid = %s::regclass", (rows, table))

    assert state(migrated_database).locks == told
    upgrade(migrated_database)
    assert state(migrated_database).locks == ()
