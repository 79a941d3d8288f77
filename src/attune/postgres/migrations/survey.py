"""What a database is before it is migrated: empty, ours, made by an earlier installation, or somebody else's.

Only looks. Objects count where unqualified names create them, in the first schema of the search path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from attune.core.errors import DatabaseError
from attune.postgres.migrations.revisions import BASELINE, NAMES, UNIFIED

Origin = Literal["empty", "attune", "upstream", "upstream-unified", "hand-built", "foreign"]

FIRST_SQL_MIGRATION = 20250101000001
LAST_SQL_MIGRATION_BEFORE_UNIFY = 20260202000001
MINIMUM_SERVER = 140000

_EXPECTED: dict[str, str] = {
    "pack": "id ref label description version conf_schema config meta tags runtime_deps is_standard created updated",
    "runtime": "id ref pack pack_ref description name distributions installation created updated",
    "worker": "id name worker_type worker_role runtime host port status capabilities meta last_heartbeat"
    " created updated",
    "trigger": "id ref pack pack_ref label description enabled param_schema out_schema created updated webhook_enabled"
    " webhook_key webhook_config is_adhoc",
    "sensor": "id ref pack pack_ref label description entrypoint runtime runtime_ref trigger trigger_ref enabled"
    " param_schema config created updated",
    "event": "id trigger trigger_ref config payload source source_ref created updated rule rule_ref",
    "rule": "id ref pack pack_ref label description action action_ref trigger trigger_ref conditions action_params"
    " trigger_params enabled created updated is_adhoc",
    "enforcement": "id rule rule_ref trigger_ref config event status payload condition conditions created updated",
    "action": "id ref pack pack_ref label description entrypoint runtime param_schema out_schema created updated"
    " is_workflow workflow_def is_adhoc",
    "execution": "id action action_ref config parent enforcement executor status result created updated workflow_task",
}
# Later steps of the earlier installation changed tables that no revision of ours touches.
_EXPECTED_UNIFIED: dict[str, str] = {
    "pack": "id ref runtime_deps",
    "runtime": _EXPECTED["runtime"],
    "worker": _EXPECTED["worker"],
    "action": "id ref runtime",
    "sensor": "id ref runtime runtime_ref",
    "trigger": "id ref",
}
_REVISION = re.compile(r"20[0-9]{12}_[a-z0-9_]+")
_TELLING = frozenset({"id", "ref", "name", "distributions"})


@dataclass(frozen=True, slots=True)
class DatabaseSurvey:
    """What the current schema of a database holds, as far as migrations care.

    `sql_migrations` are the earlier installation's, version -> success; another program's are left out.
    """

    schema: str
    tables: Mapping[str, frozenset[str]]
    revisions: tuple[str, ...]
    sql_migrations: Mapping[int, bool]
    elsewhere: str | None

    @property
    def origin(self) -> Origin:
        """Who made this database."""
        if self.revisions:
            return "attune" if {*self.revisions} <= {*NAMES} else "foreign"
        if not self.tables.keys() & _EXPECTED.keys() and not self.sql_migrations:
            return "empty"
        if self.sql_migrations:
            return "upstream-unified" if self._unified else "upstream"
        return "hand-built" if self.tables.get("runtime", frozenset()) >= _TELLING else "foreign"

    @property
    def _unified(self) -> bool:
        columns = self.tables.get("runtime", frozenset())
        return bool(columns) and "runtime_type" not in columns

    @property
    def adopts(self) -> str | None:
        """The revision at which a database that is not ours yet stands; None if there is nothing to adopt."""
        if self.origin in ("empty", "attune", "foreign"):
            return None
        return UNIFIED if self._unified else BASELINE

    @property
    def reached(self) -> str | None:
        """The revision from which an upgrade goes on, None for the beginning."""
        return self.revisions[0] if self.revisions else self.adopts

    def missing(self) -> list[str]:
        """The tables and columns that the revision to adopt has and this database lacks."""
        missing = []
        for table, columns in (_EXPECTED_UNIFIED if self._unified else _EXPECTED).items():
            if table not in self.tables:
                missing.append(f"table {table}")
            else:
                missing += [f"column {table}.{c}" for c in columns.split() if c not in self.tables[table]]
        return missing

    def problem(self) -> DatabaseError | None:
        """Why this database cannot be migrated, and what to do; None where it can."""
        if self.elsewhere and not self.revisions and "runtime" not in self.tables:
            return DatabaseError(
                f"expected the Attune tables in schema {self.schema}, the first on the search path,"
                f" got them in schema {self.elsewhere}",
                hint=f"put that schema first: ALTER ROLE … SET search_path = {self.elsewhere}, {self.schema}",
            )
        if self.origin == "foreign":
            return self._foreign()
        if self.adopts is None:
            return None
        failed = sorted(version for version, success in self.sql_migrations.items() if not success)
        if failed:
            return DatabaseError(
                f"expected every migration in _sqlx_migrations to have succeeded, got a failed one: {failed[0]}",
                hint="repair and finish that migration with the installation that began it, then migrate again",
            )
        if missing := self.missing():
            return DatabaseError(
                f"expected a complete earlier Attune schema, got one that lacks {', '.join(missing)}",
                hint=f"finish the earlier installation's migrations up to {LAST_SQL_MIGRATION_BEFORE_UNIFY} first",
            )
        return None

    def _foreign(self) -> DatabaseError:
        if self.revisions:
            if max(self.revisions) > NAMES[-1] and _REVISION.fullmatch(max(self.revisions)):
                return DatabaseError(
                    f"the database is of a newer Attune: it is at {max(self.revisions)}, this one knows {NAMES[-1]}",
                    hint="use that version of Attune, or a database of its own for this one",
                )
            return DatabaseError(
                f"expected a revision of Attune in table alembic_version, got {', '.join(self.revisions)}",
                hint="another application made it: give Attune a database or a schema of its own",
            )
        tables = ", ".join(sorted(self.tables.keys() & _EXPECTED.keys()))
        return DatabaseError(
            f"expected an empty or an Attune database, got other tables under Attune's names in schema"
            f" {self.schema}: {tables}",
            hint="give Attune a database or a schema of its own; nothing was changed",
        )


_COLUMNS = """
SELECT c.relname, array_agg(a.attname::text)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
GROUP BY c.relname
"""
# The schema `attune` counts even if the search path leaves it out: a role that was not told of it must not
# begin an empty installation beside the full one.
_ELSEWHERE = """
SELECT n.nspname FROM unnest(current_schemas(false) || 'attune'::name) WITH ORDINALITY AS s (name, position)
JOIN pg_namespace AS n ON n.nspname = s.name
WHERE s.name <> current_schema() AND EXISTS (
    SELECT FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.relnamespace = n.oid AND c.relname = 'runtime' AND c.relkind = 'r'
      AND a.attname IN ('id', 'ref', 'name', 'distributions')
    GROUP BY c.oid HAVING count(*) = 4)
ORDER BY s.position LIMIT 1
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
    row = connection.execute("SELECT current_schema()").fetchone()
    schema = row[0] if row else None
    if schema is None:
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
    if FIRST_SQL_MIGRATION not in sql_migrations:
        sql_migrations = {}
    elsewhere = connection.execute(_ELSEWHERE).fetchone()
    return DatabaseSurvey(schema, tables, revisions, sql_migrations, elsewhere[0] if elsewhere else None)
