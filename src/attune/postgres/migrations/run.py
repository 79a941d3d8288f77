"""Where a database stands, and moving it up or down. Each call is one transaction: all of it happens, or nothing.

Whose database it is, `survey_database` finds out; what a revision does is in `sql/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from attune.core.errors import DatabaseError, UsageError
from attune.postgres.migrations.session import changing, driver, looking
from attune.postgres.migrations.survey import UNIFIED, DatabaseSurvey, Origin, survey_database

if TYPE_CHECKING:
    import psycopg
    from alembic.config import Config
    from sqlalchemy import Connection

_FOLDER = Path(__file__).parent
# Alembic's `context` and `op` are global to the process: one run at a time.
_ALEMBIC = Lock()
_FINISH = "20260301000002_finish_unify"
_VERSION_TABLE = (
    "CREATE TABLE IF NOT EXISTS alembic_version"
    " (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


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
    revisions = _revisions()
    with looking(url) as connection:
        survey = survey_database(connection, revisions)
    problem = None
    try:
        survey.refuse_unless_usable()
    except DatabaseError as error:
        problem = str(error)
    current = survey.revisions[0] if survey.revisions else None
    pending: tuple[str, ...] = ()
    if survey.origin != "foreign":
        reached = current or survey.adopts
        pending = revisions[revisions.index(reached) + 1 :] if reached else revisions
    return MigrationState(current, revisions[-1], pending, survey.origin, problem)


def upgrade(url: str, revision: str = "head") -> MigrationReport:
    """Bring the database at *url* up to *revision*, adopting an earlier installation's database first.

    Safe to call from several processes at once: one migrates, the others find nothing left to do. Raises
    `DatabaseError` if the database is not ours, incomplete or refuses; it is then as it was before.
    """
    revisions = _revisions()
    _require_known(revision, revisions)
    applied: list[str] = []
    with changing(url) as connection:
        database = driver(connection)
        survey = survey_database(database, revisions)
        survey.refuse_unless_usable()
        before = _count_runtimes(database) if "runtime" in survey.tables else 0
        database.execute(_VERSION_TABLE)
        for statement in _stamp(survey):
            database.execute(statement)
        _alembic(connection, "upgrade", revision, applied)
        current = database.execute("SELECT version_num FROM alembic_version").fetchone()
        assert current is not None
        unify = _unify_counts(database, before) if {UNIFIED, _FINISH} & set(applied) else None
    return MigrationReport(survey.origin, current[0], survey.adopts, tuple(applied), unify)


def downgrade(url: str, revision: str) -> None:
    """Take the database at *url* down to *revision*. Raises `DatabaseError` if it is not ours or refuses."""
    revisions = _revisions()
    _require_known(revision, revisions)
    with changing(url) as connection:
        survey = survey_database(driver(connection), revisions)
        survey.refuse_unless_usable()
        if survey.origin != "attune":
            raise DatabaseError(
                f"expected a database that Attune has migrated, got one of origin {survey.origin}",
                hint="run `attune db migrate` first",
            )
        _alembic(connection, "downgrade", revision, [])


def upgrade_sql(url: str | None) -> str:
    """The SQL of an upgrade to the newest revision, for psql: of a new database, or what is pending at *url*.

    Raises `DatabaseError` as `upgrade` would.
    """
    from io import StringIO

    from alembic import command

    revisions = _revisions()
    start, preamble = "base", []
    if url is not None:
        with looking(url) as connection:
            survey = survey_database(connection, revisions)
        survey.refuse_unless_usable()
        start = survey.revisions[0] if survey.revisions else survey.adopts or "base"
        if start == revisions[-1] and survey.revisions:
            return f"-- Nothing is pending: the database is at {start}.\n"
        preamble = [_VERSION_TABLE, *_stamp(survey)] if survey.adopts else []
    output = StringIO()
    config = _config(output)
    config.attributes["preamble"] = preamble
    with _ALEMBIC:
        command.upgrade(config, f"{start}:head", sql=True)
    return output.getvalue()


def _config(output: Any = None) -> Config:
    from alembic.config import Config

    config = Config(output_buffer=output)
    # Options are interpolated: a percent sign in the path must be doubled.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config


def _revisions() -> tuple[str, ...]:
    """Every revision, oldest first: the names of their files, since nodes ask too and Alembic is slow to import."""
    return tuple(sorted(file.stem.removeprefix("r") for file in (_FOLDER / "versions").glob("r*.py")))


def _require_known(revision: str, revisions: tuple[str, ...]) -> None:
    if revision not in (*revisions, "head"):
        raise UsageError(f"expected a revision, got {revision!r}", hint=f"revisions: {', '.join(revisions)}")


def _stamp(survey: DatabaseSurvey) -> list[str]:
    return [f"INSERT INTO alembic_version (version_num) VALUES ('{survey.adopts}')"] if survey.adopts else []


def _alembic(connection: Connection, verb: str, revision: str, applied: list[str]) -> None:
    from alembic import command

    config = _config()
    config.attributes.update(
        connection=connection, on_version_apply=lambda *, step, **_: applied.append(step.up_revision_id)
    )
    with _ALEMBIC:
        getattr(command, verb)(config, revision)


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
