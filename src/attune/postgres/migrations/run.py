"""Where a database stands, and moving it up or down. Each call is one transaction: all of it happens, or nothing.

Whose database it is, `survey_database` finds out; what a revision does is in `sql/`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from attune.core.errors import DatabaseError, UsageError
from attune.postgres.migrations.revisions import FINISHED, NAMES, REVISIONS, UNIFIED, statement_text
from attune.postgres.migrations.session import BEGIN, LOCK_SECONDS, changing, looking, until_unlocked
from attune.postgres.migrations.stages import EXPECTED, DatabaseSurvey, Origin, own_tables
from attune.postgres.migrations.survey import survey_database

# The table and its name are those of Alembic, with which earlier versions of Attune migrated.
_VERSION_TABLE = (
    "CREATE TABLE IF NOT EXISTS alembic_version"
    " (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));"
)
_STAMP = "DELETE FROM alembic_version; INSERT INTO alembic_version (version_num) VALUES ('{}');"


@dataclass(frozen=True, slots=True)
class MigrationState:
    """Where a database stands.

    `current` is None until a revision is recorded in it; `pending` is what an upgrade would apply, in order.
    `finding` says in one sentence what stands between it and this version of Attune, None where nothing does, and
    `remedy` the way out; `problem` is that sentence where an upgrade would be refused. `locks` names the tables that an
    upgrade would keep from a running fleet for longer than a second.
    """

    current: str | None
    head: str
    pending: tuple[str, ...]
    origin: Origin
    problem: str | None = None
    remedy: str | None = None
    finding: str | None = None
    locks: tuple[str, ...] = ()

    def require_newest(self) -> None:
        """Raises `DatabaseError` unless this version of Attune can work with the database as it is."""
        if self.finding:
            raise DatabaseError(self.finding, hint=self.remedy)


@dataclass(frozen=True, slots=True)
class UnifyCounts:
    """What uniting the runtimes came to: rows of table `runtime`, families merged, rows that now point elsewhere."""

    runtimes_before: int
    runtimes_after: int
    merged: int
    references: int


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What an upgrade did. `adopted` is the revision at which an earlier installation's database was taken over.

    `left` names what of an earlier installation could not be carried over, or waits for somebody, a sentence each.
    """

    origin: Origin
    current: str
    adopted: str | None
    applied: tuple[str, ...]
    unify: UnifyCounts | None
    left: tuple[str, ...] = ()


_MANY_ROWS = 200_000  # what takes longer than a second to index or to rewrite
_FUNCTION = re.compile(r"\bAS \$(\w*)\$.*?\$\1\$", re.DOTALL)
_LARGE = """
SELECT relname, reltuples::bigint FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND reltuples > %s ORDER BY 1
"""
_LEFT = """
SELECT format('%s %s: %s', table_name, new #>> '{}', said.value)
FROM migration_original, jsonb_array_elements_text(old) AS said WHERE column_name = 'left'
UNION ALL
SELECT format('pack %s has no files here: attune pack load DIR', p.ref) FROM pack AS p
WHERE p.digest IS NULL AND (EXISTS (SELECT FROM action AS a WHERE a.pack = p.id)
    OR EXISTS (SELECT FROM sensor AS s JOIN runtime AS r ON r.id = s.runtime
               WHERE s.pack = p.id AND r.ref <> 'core.sensor.builtin'))
UNION ALL
SELECT format('%s executions of the earlier installation are %s for ever: nothing here runs them', count(*), status)
FROM execution WHERE policy IS NULL AND status IN ('requested', 'scheduling', 'scheduled') GROUP BY status
ORDER BY 1
"""


def state(url: str) -> MigrationState:
    """Where the database at *url* (a libpq URL) stands. Raises `DatabaseError` if it cannot be read."""
    with looking(url) as connection:
        survey = survey_database(connection)
        large = connection.execute(_LARGE, [_MANY_ROWS]).fetchall()
    problem, finding = survey.problem(), survey.finding()
    pending = NAMES[_count(survey.reached) :] if problem is None or survey.origin != "foreign" else ()
    locks = tuple(f"{table} (about {rows:,} rows)" for table, rows in large if pending and _rewrites(survey, table))
    current = survey.revisions[0] if survey.revisions else None
    said, remedy = (str(finding), finding.hint) if finding else (None, None)
    return MigrationState(current, NAMES[-1], pending, survey.origin, said if problem else None, remedy, said, locks)


def _rewrites(survey: DatabaseSurvey, table: str) -> bool:
    """Whether what is pending reads or writes all of *table* under a lock."""
    text = _FUNCTION.sub("", "\n".join(_way_up(survey, len(REVISIONS))))
    change = rf"ALTER TABLE {table}\b[^;]*\b(?:CONSTRAINT|CHECK|TYPE|NOT NULL|STORED|UNIQUE|PRIMARY)\b"
    return (
        re.search(rf"\bINDEX (?:IF NOT EXISTS )?\w* ?ON {table}\b|^ *UPDATE {table}\b|{change}", text, re.M) is not None
    )


def upgrade(url: str, revision: str = NAMES[-1], *, adopt: bool = True) -> MigrationReport:
    """Bring the database at *url* up to *revision*, adopting an earlier installation's database first if *adopt*.

    Safe to call from several processes at once: one migrates, the others find nothing left to do. Raises
    `DatabaseError` if the database is not ours, incomplete or refuses; it is then as it was before.
    """
    return until_unlocked(lambda: _upgrade(url, revision, adopt))


def _upgrade(url: str, revision: str, adopt: bool) -> MigrationReport:
    end = _count(revision)
    with changing(url) as connection:
        survey = _usable(connection)
        if survey.origin == "attune":
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        if survey.adopts and not adopt and (finding := survey.finding()):
            raise finding
        before = _count_runtimes(connection) if "runtime" in survey.tables else 0
        begin = _count(survey.reached)
        for text in _way_up(survey, end):
            connection.execute(text)
        applied = NAMES[begin:end]
        unify = _unify_counts(connection, before) if {UNIFIED, FINISHED} & {*applied} else None
        left = tuple(said for (said,) in connection.execute(_LEFT)) if end == len(NAMES) else ()
    theirs = sorted(survey.tables.keys() - EXPECTED.keys() - own_tables() - {"_sqlx_migrations", "alembic_version"})
    if theirs and survey.sql_migrations:
        left += (f"tables left as they are: {', '.join(theirs)}",)
    return MigrationReport(survey.origin, NAMES[max(begin, end) - 1], survey.adopts, applied, unify, left)


def downgrade(url: str, revision: str) -> None:
    """Take the database at *url* down to *revision*. Raises `DatabaseError` if it is not ours or refuses."""
    until_unlocked(lambda: _downgrade(url, _count(revision)))


def _downgrade(url: str, end: int) -> None:
    with changing(url) as connection:
        survey = _usable(connection)
        if survey.origin != "attune":
            raise DatabaseError(
                f"expected a database that Attune has migrated, got one of origin {survey.origin}",
                hint="run `attune db migrate` first",
            )
        for index in reversed(range(end, _count(survey.reached))):
            for name in REVISIONS[index].down:
                connection.execute(statement_text(name))
            connection.execute(_STAMP.format(NAMES[index - 1]))


def upgrade_sql(url: str | None) -> str:
    """The SQL of an upgrade to the newest revision, for psql: of a new database, or what is pending at *url*.

    Raises `DatabaseError` as `upgrade` would.
    """
    survey = None
    if url is not None:
        with looking(url) as connection:
            survey = _usable(connection)
        if survey.revisions and survey.reached == NAMES[-1]:
            return f"-- Nothing is pending: the database is at {survey.reached}.\n"
    texts = _way_up(survey, len(REVISIONS))
    return "\n\n".join(["BEGIN;", *(f"{statement};" for statement in BEGIN), *texts, "COMMIT;\n"])


def _usable(connection: psycopg.Connection[Any]) -> DatabaseSurvey:
    survey = survey_database(connection)
    if problem := survey.problem():
        raise problem
    return survey


def _way_up(survey: DatabaseSurvey | None, end: int) -> Sequence[str]:
    """The statements from where *survey* stands, None for an empty database, to the first *end* revisions."""
    adopts = survey.adopts if survey else None
    texts = [f'CREATE SCHEMA "{survey.schema}";'] if survey and survey.makes_schema else []
    texts += [_VERSION_TABLE, *([_STAMP.format(adopts)] if adopts else ())]
    for revision in REVISIONS[_count(survey.reached if survey else None) : end]:
        texts += [f"-- Revision {revision.name}", *map(statement_text, revision.up), _STAMP.format(revision.name)]
    return texts


def _count(revision: str | None) -> int:
    """How many revisions a database at *revision* has. Raises `UsageError` where there is none of that name."""
    if revision is not None and revision not in NAMES:
        raise UsageError(f"expected a revision, got {revision!r}", hint=f"revisions: {', '.join(NAMES)}")
    return 0 if revision is None else NAMES.index(revision) + 1


def _count_runtimes(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT count(*) FROM runtime").fetchone()
    return int(row[0]) if row else 0


def _unify_counts(connection: psycopg.Connection[Any], before: int) -> UnifyCounts:
    row = connection.execute(
        "SELECT (SELECT count(DISTINCT runtime_ref) FROM runtime_history"
        " WHERE operation = 'merge' AND changed_at = now()),"
        " (SELECT count(*) FROM migration_original"
        " WHERE table_name NOT IN ('runtime', 'pack') AND recorded_at = now() AND old -> 'runtime' <> new -> 'runtime')"
    ).fetchone()
    assert row is not None
    return UnifyCounts(before, _count_runtimes(connection), int(row[0]), int(row[1]))
