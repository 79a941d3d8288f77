"""Look at a database before it is migrated. Objects count where unqualified names create them."""

from collections.abc import Mapping
from typing import Any

import psycopg

from attune.core.errors import DatabaseError
from attune.postgres.migrations.stages import EXPECTED, NEWER, DatabaseSurvey

FIRST_SQL_MIGRATION = 20250101000001
_FIRST_OF_NEWER = 20240101000000
MINIMUM_SERVER = 140000

_COLUMNS = """
SELECT c.relname, array_agg(a.attname::text)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
GROUP BY c.relname
"""
# The schema `attune` counts even if the search path leaves it out: a role that was not told of it must not
# begin an empty installation beside the full one.
_ELSEWHERE = """
SELECT n.nspname FROM unnest(current_schemas(false) || %s::name[]) WITH ORDINALITY AS s (name, position)
JOIN pg_namespace AS n ON n.nspname = s.name
WHERE s.name <> current_schema() AND EXISTS (
    SELECT FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.relnamespace = n.oid AND c.relname = 'runtime' AND c.relkind = 'r'
      AND a.attname IN ('id', 'ref', 'name', 'distributions')
    GROUP BY c.oid HAVING count(*) = 4)
ORDER BY s.position LIMIT 1
"""
_DIVIDED = """
SELECT 'partitioned table ' || relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'p' AND relname = ANY(%s) ORDER BY 1
"""
_HYPERTABLES = """
SELECT 'hypertable ' || table_name FROM _timescaledb_catalog.hypertable WHERE schema_name = current_schema() ORDER BY 1
"""
_BOOKKEEPING = """
SELECT FROM pg_attribute WHERE attrelid = to_regclass('_sqlx_migrations') AND attname IN ('version', 'success')
GROUP BY attrelid HAVING count(*) = 2
"""


def survey_database(connection: psycopg.Connection[Any]) -> DatabaseSurvey:
    """Look at the database behind *connection*.

    Raises `DatabaseError` if the server is too old or the role has no schema to create objects in.
    """
    version = connection.info.server_version
    if version < MINIMUM_SERVER:
        raise DatabaseError(f"expected PostgreSQL 14 or newer, got {version // 10000}.{version % 10000}")
    row = connection.execute(
        "SELECT current_schema(), setting, source FROM pg_settings WHERE name = 'search_path'"
    ).fetchone()
    assert row is not None
    schema, wanted, chosen = row[0], row[1], row[2] == "client"  # by `database.schema`, which is made where it lacks
    if schema is None and not chosen:
        raise DatabaseError(
            "expected a schema on the search path, got none that exists",
            hint="create the schema that the role's search_path names, or change the search_path",
        )
    tables = {name: frozenset(columns) for name, columns in connection.execute(_COLUMNS)}
    revisions: tuple[str, ...] = ()
    if "version_num" in tables.get("alembic_version", frozenset()):
        revisions = tuple(name for (name,) in connection.execute("SELECT version_num FROM alembic_version"))
    sql_migrations: dict[int, bool] = {}
    # It was often made before the schema that it then filled: anywhere on the search path will do.
    if connection.execute(_BOOKKEEPING).fetchone() is not None:
        sql_migrations = dict(connection.execute("SELECT version, success FROM _sqlx_migrations").fetchall())
    newer = _newer(connection, tables, sql_migrations)
    if FIRST_SQL_MIGRATION not in sql_migrations:
        sql_migrations = {}
    # One that the settings name is taken as it is: who chose it knows of the others.
    elsewhere = connection.execute(_ELSEWHERE, [[] if chosen else ["attune"]]).fetchone()
    return DatabaseSurvey(
        schema or wanted,
        tables,
        revisions,
        sql_migrations,
        elsewhere[0] if elsewhere else None,
        newer,
        makes_schema=schema is None,
    )


def _newer(
    connection: psycopg.Connection[Any], tables: Mapping[str, frozenset[str]], sql_migrations: Mapping[int, bool]
) -> tuple[str, ...]:
    """What the database has that only stages newer than June 2026 have."""
    names = {*tables, *(f"{table}.{column}" for table, columns in tables.items() for column in columns)}
    newer = [name for name, mark in NEWER.items() if mark in names]
    newer += [f"migration {version}" for version in sql_migrations if version == _FIRST_OF_NEWER]
    newer += [name for (name,) in connection.execute(_DIVIDED, [[*EXPECTED, "execution_history", "audit_event"]])]
    if connection.execute("SELECT to_regclass('_timescaledb_catalog.hypertable')").fetchone() != (None,):
        newer += [name for (name,) in connection.execute(_HYPERTABLES)]
    return tuple(newer)
