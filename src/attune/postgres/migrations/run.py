"""Where a database stands, and moving it up or down. Each call is one transaction: all of it happens, or nothing.

Whose database it is, `survey_database` finds out; what a revision does is in `sql/`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import psycopg
from psycopg import errors

from attune.core.errors import DatabaseError, UsageError
from attune.postgres.connection import translated
from attune.postgres.migrations.revisions import FINISHED, NAMES, REVISIONS, UNIFIED, statement_text
from attune.postgres.migrations.stages import EXPECTED, DatabaseSurvey, Origin, own_tables
from attune.postgres.migrations.survey import survey_database

# The table and its name are those of Alembic, with which earlier versions of Attune migrated.
_VERSION_TABLE = (
    "CREATE TABLE IF NOT EXISTS alembic_version"
    " (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));"
)
_STAMP = "DELETE FROM alembic_version; INSERT INTO alembic_version (version_num) VALUES ('{}');"

_WAIT_SECONDS = 60
_LOOK_SECONDS = 1.0
_BEGIN = (
    f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL client_min_messages = warning",
    # Rows are kept as JSON, where a time must read the same whoever migrates.
    "SET LOCAL timezone = 'UTC'",
    # Any constant will do, as long as every version of Attune uses the same: "attune" in ASCII.
    f"SELECT pg_advisory_xact_lock({0x617474756E65})",
)
"""What a migration begins with; the last statement waits until no other migrates this database."""
_MAY_MIGRATE = (
    "connect as the role that owns the schema, or have an administrator run what `attune db migrate --sql` prints"
)


@dataclass(frozen=True, slots=True)
class MigrationState:
    """Where a database stands.

    `current` is None until a revision is recorded in it; `pending` is what an upgrade would apply, in order.
    `finding` says in one sentence what stands between it and this version of Attune, None where nothing does, and
    `remedy` the way out; `problem` is that sentence where an upgrade would be refused.
    """

    current: str | None
    head: str
    pending: tuple[str, ...]
    origin: Origin
    problem: str | None = None
    remedy: str | None = None
    finding: str | None = None

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
    with _looking(url) as connection:
        survey = survey_database(connection)
    problem, finding = survey.problem(), survey.finding()
    pending = NAMES[_count(survey.reached) :] if problem is None or survey.origin != "foreign" else ()
    current = survey.revisions[0] if survey.revisions else None
    said, remedy = (str(finding), finding.hint) if finding else (None, None)
    return MigrationState(current, NAMES[-1], pending, survey.origin, said if problem else None, remedy, said)


def upgrade(url: str, revision: str = NAMES[-1], *, adopt: bool = True) -> MigrationReport:
    """Bring the database at *url* up to *revision*, adopting an earlier installation's database first if *adopt*.

    Safe to call from several processes at once: one migrates, the others find nothing left to do. Raises
    `DatabaseError` if the database is not ours, incomplete or refuses; it is then as it was before.
    """
    end = _count(revision)
    with changing(url) as connection:
        survey = _usable(connection)
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
        with _looking(url) as connection:
            survey = _usable(connection)
        if survey.revisions and survey.reached == NAMES[-1]:
            return f"-- Nothing is pending: the database is at {survey.reached}.\n"
    texts = _way_up(survey, len(REVISIONS))
    return "\n\n".join(["BEGIN;", *(f"{statement};" for statement in _BEGIN), *texts, "COMMIT;\n"])


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


@contextmanager
def _looking(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that only reads. Raises `DatabaseError` if the database refuses."""
    with translated(url), psycopg.connect(url, application_name="attune migrate") as connection:
        connection.read_only = True
        yield connection


@contextmanager
def changing(url: str, *, what: str = "migrate", hint: str = _MAY_MIGRATE) -> Iterator[psycopg.Connection[Any]]:
    """A connection in the one transaction of a migration, alone among all that migrate this database.

    Committed if the block ends, rolled back if it raises. Raises `DatabaseError` if the database refuses.
    """
    blockers: list[str] = []
    try:
        with (
            psycopg.connect(url, application_name="attune migrate") as connection,
            _watched(url, connection.info.backend_pid, blockers),
        ):
            # What another migration has just committed must be seen, whatever the role's default level is.
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            for statement in _BEGIN:
                connection.execute(statement)
            yield connection
    except psycopg.Error as error:
        raise _refusal(error, what, hint, blockers) from error


_BLOCKERS = """
SELECT format('process %%s (%%s of %%s, in its transaction since %%s, statement begun %%s: %%s)', pid,
    coalesce(nullif(application_name, ''), 'no name'), usename, xact_start::timestamptz(0),
    query_start::timestamptz(0), left(regexp_replace(query, '\\s+', ' ', 'g'), 80))
FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY xact_start
"""


@contextmanager
def _watched(url: str, process: int, blockers: list[str]) -> Iterator[None]:
    """Keep in *blockers* who has last kept the session *process* waiting, as a second connection sees it."""
    done = Event()

    def look() -> None:
        while not done.wait(_LOOK_SECONDS):
            with suppress(psycopg.Error), psycopg.connect(url, application_name="attune migrate") as other:
                blockers[:] = [said for (said,) in other.execute(_BLOCKERS, [process])] or blockers

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _refusal(error: psycopg.Error, what: str, hint: str, blockers: Sequence[str] = ()) -> DatabaseError:
    said = _sentence(error)
    if isinstance(error, errors.LockNotAvailable):
        return DatabaseError(
            f"the database stayed locked by {' and '.join(blockers) or 'another session'} for {_WAIT_SECONDS} seconds;"
            " nothing was changed",
            hint="stop the services that use it, or wait for the other migration, then migrate again",
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return DatabaseError(
            f"the database role may not {what}: {said}; nothing was changed",
            hint=hint,
        )
    # Without a code from the server, the connection could not be made or was lost.
    if error.sqlstate is None:
        return DatabaseError(f"the database cannot be reached: {said}")
    return DatabaseError(
        f"the database refused the migration: {said}; nothing was changed", hint=error.diag.message_hint
    )


def _sentence(error: psycopg.Error) -> str:
    """The first line of what PostgreSQL said, with its detail."""
    lines = str(error).strip().splitlines()
    text = error.diag.message_primary or (lines[0] if lines else type(error).__name__)
    return f"{text} ({error.diag.message_detail})" if error.diag.message_detail else text
