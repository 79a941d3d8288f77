"""The composition root: from settings to a database, and to everything that works on it."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from attune import catalogue
from attune.config import Settings, process_environment, variable
from attune.core.errors import DatabaseError, UsageError
from attune.core.matching.known_names import KnownNames
from attune.core.runtimes.definition import names_of_definition
from attune.core.runtimes.runtime import Runtime

if TYPE_CHECKING:
    from attune.postgres.embedded.server import EmbeddedServer
    from attune.postgres.migrations.logins import LoginRole as LoginRole  # noqa: PLC0414 - commands name it
    from attune.postgres.migrations.run import MigrationReport as MigrationReport  # noqa: PLC0414 - commands name it
    from attune.postgres.migrations.run import MigrationState


@dataclass(frozen=True)
class Database:
    """The database in use. `server` is None where it is the operator's own."""

    url: str
    server: "EmbeddedServer | None" = None

    @property
    def shown(self) -> str:
        """Its address for people, without the password."""
        from attune.postgres.connection import without_password

        return without_password(self.url)

    async def heal(self) -> None:
        """Start the embedded server again if it is gone."""
        if self.server is not None:
            import asyncio

            await asyncio.to_thread(self.server.ensure_running)


def embedded_server(settings: Settings) -> "EmbeddedServer":
    """The server of this machine's data folder, started or not."""
    from attune.postgres.embedded.server import EmbeddedServer

    return EmbeddedServer(data_dir(settings))


def data_dir(settings: Settings) -> Path:
    """Where Attune keeps its data on this machine."""
    from attune.postgres.embedded.folders import default_data_dir

    if settings.data_dir is not None:
        return settings.data_dir
    return default_data_dir(is_root=os.geteuid() == 0, home=Path.home(), xdg_data_home=variable("XDG_DATA_HOME"))


@contextmanager
def use_database(settings: Settings, *, create: bool = False) -> Iterator[Database]:
    """The configured database, else the embedded one, which runs as long as somebody uses it.

    Without *create* the embedded one must have been made before. Raises `UsageError` where only an API is configured,
    and `DatabaseError` where there is no database.
    """
    if is_remote(settings):
        raise UsageError(
            f"this works on the database itself, and the settings name only the API at {settings.api.url}",
            hint="set DATABASE_URL or, for the embedded database of this machine, unset ATTUNE_URL",
        )
    from attune.postgres.connection import with_connect_timeout, with_schema

    schema = settings.database.schema
    if settings.database.url:
        yield Database(
            with_connect_timeout(with_schema(settings.database.url, schema), settings.database.connect_timeout)
        )
        return
    server = embedded_server(settings)
    if not create and not server.exists:
        raise DatabaseError(f"nothing here yet: {data_dir(settings)} has no database", hint="attune up")
    url = server.acquire()
    try:
        yield Database(with_schema(url, schema), server)
    finally:
        server.release()


def is_remote(settings: Settings) -> bool:
    """Whether commands talk to an API: one is configured and no database is. An embedded one does not count."""
    return bool(settings.api.url) and not settings.database.url


def has_database(settings: Settings) -> bool:
    """Whether a database is configured or embedded data exists."""
    return bool(settings.database.url) or embedded_server(settings).exists


def is_there(settings: Settings) -> bool:
    """Whether *settings* lead to an installation: an API, a configured database, or embedded data."""
    return is_remote(settings) or has_database(settings)


def migrate(url: str, *, adopt: bool = True) -> "tuple[MigrationReport, list[str]]":
    """Bring the database to this version of Attune, and give a new one the core pack; the refs of what was written.

    Raises `DatabaseError` where it is an earlier installation's and *adopt* is False.
    """
    import asyncio

    from attune.postgres.migrations.run import upgrade

    return upgrade(url, adopt=adopt), asyncio.run(seed(url))


def grant_login(settings: Settings, url: str, name: str, role: "LoginRole", *, with_password: bool) -> str:
    """Make or alter the login of *name*; the URL that it connects with."""
    from attune.core.ports.nodes import Overdue
    from attune.postgres.migrations import logins

    overdue = Overdue(settings.heartbeat.stale_after, settings.heartbeat.lost_after)
    return logins.grant_login(url, name, role, overdue, with_password=with_password)


def migration_sql(settings: Settings) -> str:
    """The statements that `migrate` would run; those for an empty database where there is none yet."""
    from attune.postgres.migrations.run import upgrade_sql

    if not is_there(settings):
        return upgrade_sql(None)
    with use_database(settings) as database:
        return upgrade_sql(database.url)


def migration_state(url: str) -> "MigrationState":
    """Which revision the database has, and what is pending."""
    from attune.postgres.migrations.run import state

    return state(url)


def open_psql(settings: Settings, database: Database, arguments: Sequence[str]) -> int:
    """Run psql on *database* in the foreground; its exit code. The bundled one serves where PATH has none."""
    environment = process_environment()
    program = shutil.which("psql", path=environment.get("PATH"))
    bundled = (database.server or embedded_server(settings)).bin("psql")
    terminals = {"TERMINFO_DIRS": "/etc/terminfo:/lib/terminfo:/usr/share/terminfo"}  # the bundled one looks at two
    argv = [program or bundled, "--dbname", database.url, *arguments]
    return subprocess.run(argv, env=terminals | environment).returncode


async def seed(url: str) -> list[str]:
    """Give a database the core pack's definitions where it never had them; the refs written."""
    from attune.postgres.connection import open_pool
    from attune.postgres.runtimes.store import PostgresRuntimes

    async with open_pool(url, application_name="attune migrate", size=1) as pool:
        return await PostgresRuntimes(pool).seed(catalogue.CORE_VERSION, "Core", core_runtimes())


def core_runtimes() -> list[Runtime]:
    """The core pack's definitions."""
    return [Runtime(**entry) for entry in catalogue.core_pack()]


def shipped_runtimes() -> list[Runtime]:
    """Everything that is shipped, core and extras, by ref."""
    entries = [*catalogue.core_pack(), *catalogue.extras()]
    return sorted((Runtime(**entry) for entry in entries), key=lambda runtime: runtime.ref)


def known_names(runtimes: Iterable[Runtime]) -> KnownNames:
    """The names that requirements may use where *runtimes* are the definitions."""
    return KnownNames({name for runtime in runtimes for name in names_of_definition(runtime)}, _shipped_names())


@cache
def _shipped_names() -> dict[str, str]:
    called = {runtime.ref.partition(".")[2]: names_of_definition(runtime) for runtime in shipped_runtimes()}
    return {name: short for short, names in called.items() for name in names}


def find_shipped(name: str) -> Runtime | None:
    """The shipped definition of that ref, short name, display name or alias, or None."""
    entry = catalogue.find(name)
    return Runtime(**entry) if entry is not None else None


def require_migrated(url: str) -> None:
    """Raises `DatabaseError` where migrations are pending, or the database is nobody's or a newer Attune's."""
    migration_state(url).require_newest()
