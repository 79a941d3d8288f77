"""Where a database stands, and moving it up or down. Each call is one transaction: all of it happens, or nothing.

Whose database it is, `survey_database` finds out; what a revision does is in `sql/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from attune.core.errors import DatabaseError, UsageError
from attune.postgres.migrations.revisions import FINISHED, NAMES, REVISIONS, UNIFIED, statement_text
from attune.postgres.migrations.session import BEGIN, changing, looking
from attune.postgres.migrations.survey import DatabaseSurvey, Origin, survey_database

# The table and its name are those of Alembic, with which earlier versions of Attune migrated.
_VERSION_TABLE = (
    "CREATE TABLE IF NOT EXISTS alembic_version"
    " (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));"
)
_STAMP = "DELETE FROM alembic_version; INSERT INTO alembic_version (version_num) VALUES ('{}');"


@dataclass(frozen=True, slots=True)
class MigrationState:
    """Where a database stands.

    `current` is None until a revision is recorded in it; `pending` is what an upgrade would apply, in order;
    `problem` says why an upgrade would be refused.
    """

    current: str | None
    head: str
    pending: tuple[str, ...]
    origin: Origin
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class UnifyCounts:
    """What uniting the runtimes came to: rows of table `runtime`, families merged, rows that now point elsewhere."""

    runtimes_before: int
    runtimes_after: int
    merged: int
    references: int


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What an upgrade did. `adopted` is the revision at which an earlier installation's database was taken over."""

    origin: Origin
    current: str
    adopted: str | None
    applied: tuple[str, ...]
    unify: UnifyCounts | None


def state(url: str) -> MigrationState:
    """Where the database at *url* (a libpq URL) stands. Raises `DatabaseError` if it cannot be read."""
    with looking(url) as connection:
        survey = survey_database(connection)
    problem = survey.problem()
    pending = NAMES[_count(survey.reached) :] if survey.origin != "foreign" else ()
    current = survey.revisions[0] if survey.revisions else None
    return MigrationState(current, NAMES[-1], pending, survey.origin, str(problem) if problem else None)


def upgrade(url: str, revision: str = NAMES[-1]) -> MigrationReport:
    """Bring the database at *url* up to *revision*, adopting an earlier installation's database first.

    Safe to call from several processes at once: one migrates, the others find nothing left to do. Raises
    `DatabaseError` if the database is not ours, incomplete or refuses; it is then as it was before.
    """
    end = _count(revision)
    with changing(url) as connection:
        survey = _usable(connection)
        before = _count_runtimes(connection) if "runtime" in survey.tables else 0
        begin = _count(survey.reached)
        for text in _way_up(survey, end):
            connection.execute(text)
        applied = NAMES[begin:end]
        unify = _unify_counts(connection, before) if {UNIFIED, FINISHED} & {*applied} else None
    return MigrationReport(survey.origin, NAMES[max(begin, end) - 1], survey.adopts, applied, unify)


def downgrade(url: str, revision: str) -> None:
    """Take the database at *url* down to *revision*. Raises `DatabaseError` if it is not ours or refuses."""
    end = _count(revision)
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
    texts = [_VERSION_TABLE, *([_STAMP.format(adopts)] if adopts else ())]
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
