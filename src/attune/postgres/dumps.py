"""Dumps of a database by PostgreSQL's own programs: read back when they are written, restored whole or not at all."""

import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from attune.core.errors import DatabaseError
from attune.postgres.embedded.binaries import client_programs
from attune.postgres.migrations.revisions import NAMES, statement_text
from attune.postgres.migrations.session import BEGIN, looking
from attune.postgres.migrations.stages import EXPECTED, own_tables
from attune.postgres.migrations.survey import survey_database

_COPY = re.compile(rb'COPY \S+\.("?)(\w+)\1 .*FROM stdin;\n')
_SCHEMA = re.compile(rb'(COMMENT ON|CREATE) SCHEMA "?(\w+)')
_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r' ORDER BY 1"
_CONNECTED = """
    SELECT format('%s (process %s of %s)', coalesce(nullif(application_name, ''), 'no name'), pid, usename)
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class _Programs:
    """The programs of one version, and the database at `url` for them; its password is not among the arguments."""

    url: str
    folder: Path
    environment: Mapping[str, str]

    def start(self, program: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        known: dict[str, Any] = conninfo_to_dict(self.url)
        password = {"PGPASSWORD": str(known.pop("password"))} if known.get("password") else {}
        to = () if program == "pg_restore" else ("--dbname", make_conninfo(**known))
        argv = [self.folder / program, *to, *arguments]
        return subprocess.Popen(argv, env={**self.environment, **password}, **options)

    def script(self, file: Path) -> Iterator[tuple[str, bytes]]:
        """What restores *file*, line by line, each with the table of which it is a row, "" for other lines.

        Raises `DatabaseError` where the file is no whole dump, after what could be read of it.
        """
        with tempfile.TemporaryFile() as said:
            with self.start("pg_restore", "--file=-", str(file), stdout=subprocess.PIPE, stderr=said) as reading:
                assert reading.stdout is not None
                table = ""
                for line in reading.stdout:
                    table = "" if line == b"\\.\n" else table
                    yield table, line
                    if not table and (begins := _COPY.fullmatch(line)):
                        table = begins[2].decode()
            if reading.returncode:
                raise DatabaseError(f"expected a whole dump in {file}, got one that cannot be read: {_last(said)}")


def dump(url: str, file: Path, environment: Mapping[str, str], told: Callable[[int], object]) -> Mapping[str, int]:
    """Write what the database at *url* holds at this moment into *file*, whole or not at all; the rows by table.

    *told* gets the bytes so far. Raises `DatabaseError` also where reading it back gives other rows; `OSError`.
    """
    with looking(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        survey = survey_database(connection)
        if (problem := survey.problem() or (survey.finding() if survey.origin == "empty" else None)) is not None:
            raise problem
        programs = _programs(url, connection, environment)
        [(snapshot,)] = connection.execute("SELECT pg_export_snapshot()")
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
        half = Path(name)
        try:
            options = ("--format=custom", f"--snapshot={snapshot}", f'--schema="{survey.schema}"')
            _write(programs, half, told, *options, "--no-owner", "--no-privileges")
            rows = Counter(table for table, _ in programs.script(half) if table)
            for (table,) in connection.execute(_TABLES, [survey.schema]).fetchall():
                [(number,)] = connection.execute(f'SELECT count(*) FROM "{survey.schema}"."{table}"'.encode())
                if number != rows[table]:
                    raise DatabaseError(f"expected {number} rows of {table} in the dump, got {rows[table]}")
            os.fsync(descriptor)
            half.rename(file)
        finally:
            os.close(descriptor)
            half.unlink(missing_ok=True)
    return rows


def restore(url: str, file: Path, environment: Mapping[str, str], told: Callable[[int], object]) -> Mapping[str, int]:
    """Put what *file* holds in place of what the database at *url* holds, in one transaction; the rows by table.

    Raises `DatabaseError` where somebody is connected, where the database holds what is not Attune's, and where *file*
    is no whole dump of this version of Attune or an earlier one; the database is as it was then.
    """
    with looking(url) as connection:
        survey = survey_database(connection)
        others = sorted(survey.tables.keys() - EXPECTED.keys() - own_tables() - {"alembic_version", "_sqlx_migrations"})
        if others or survey.origin not in ("empty", "attune"):
            what = f"expected an empty database or one of Attune, got other tables: {', '.join(others[:5])}"
            raise survey.problem() or DatabaseError(what, hint="restore into a database of its own")
        if who := ", ".join(one for (one,) in connection.execute(_CONNECTED)):
            raise DatabaseError(f"expected nobody to use the database, got {who}", hint="stop them first: attune down")
        programs = _programs(url, connection, environment)
    rows, done = Counter[str](), 0
    with tempfile.TemporaryFile() as said:
        options = ("-X", "--quiet", "--set=ON_ERROR_STOP=1")
        loading = programs.start("psql", *options, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
        assert loading.stdin is not None
        try:
            with suppress(BrokenPipeError), loading.stdin:  # psql says why it ended
                for line in _transaction(programs, file, survey.schema, rows):
                    loading.stdin.write(line)
                    told(done := done + len(line))
        finally:
            code = loading.wait()  # without the commit it ends as it began
        if code:
            raise DatabaseError(f"the database refused {file}: {_last(said)}; nothing was changed")
    return rows


def _transaction(programs: _Programs, file: Path, schema: str, rows: Counter[str]) -> Iterator[bytes]:
    """What psql is to run: it ends with a commit only where all of *file* has been read and every row is there."""
    yield "".join(f"{statement};\n" for statement in ("BEGIN", *BEGIN)).encode()
    yield statement_text("empty_schema").format(schema).encode()
    revision = "something else"
    for table, line in programs.script(file):
        made = None if table else _SCHEMA.match(line)
        if table:
            rows[table] += 1
            revision = line.decode().strip() if table == "alembic_version" else revision
        if made is None:
            yield line
        elif made[2].decode() != schema:
            raise DatabaseError(f"expected a dump of schema {schema}, got one of {made[2].decode()}: {file}")
        elif made[1] == b"CREATE":
            yield f'CREATE SCHEMA IF NOT EXISTS "{schema}";\n'.encode()
    if revision not in NAMES:
        raise DatabaseError(f"expected a dump of Attune up to {NAMES[-1]}, got one of {revision}: {file}")
    yield f'SET search_path = "{schema}";\n'.encode()
    for table, number in rows.items():
        wrong, text = f"(SELECT count(*) FROM {table}) <> {number}", f"'expected {number} rows of {table}'"
        yield f"DO $check$ BEGIN IF {wrong} THEN RAISE EXCEPTION {text}; END IF; END $check$;\n".encode()
    yield f"{statement_text('rights')}\nCOMMIT;\n".encode()


def _write(programs: _Programs, file: Path, told: Callable[[int], object], *arguments: str) -> None:
    with tempfile.TemporaryFile() as said:
        writing = programs.start("pg_dump", f"--file={file}", *arguments, stdout=subprocess.DEVNULL, stderr=said)
        try:
            while writing.poll() is None:
                told(file.stat().st_size)
                with suppress(subprocess.TimeoutExpired):
                    writing.wait(0.3)
        finally:
            writing.kill()
        if writing.wait():
            raise DatabaseError(f"the database could not be dumped: {_last(said)}")


def _programs(url: str, connection: psycopg.Connection[Any], environment: Mapping[str, str]) -> _Programs:
    folder = client_programs(connection.info.server_version // 10000, environment.get("PATH"))
    return _Programs(url, folder, environment)


def _last(said: Any) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    telling = [line for line in lines if "error:" in line.lower()] or [*lines, "it said nothing"]
    return re.split(r"(?i)error: +", telling[0])[-1]
