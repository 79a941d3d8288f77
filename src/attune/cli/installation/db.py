"""`attune db …`: migrations, state, a psql session."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from attune.cli.output import json_option, print_json
from attune.cli.session import ask
from attune.cli.table import table, terminal_width
from attune.composition.databases import (
    grant_login,
    migrate,
    migration_sql,
    migration_state,
    move_rows,
    open_psql,
    require_migrated,
    use_database,
)
from attune.composition.secrets import ensure_key, keyring_for
from attune.config import load_settings
from attune.core.durations import coarse

if TYPE_CHECKING:
    from attune.composition.databases import LoginRole, MigrationReport
    from attune.core.ports.installation import RetainedRows, RetentionStore


@click.group(epilog="Example: attune db migrate")
def db() -> None:
    """The database: migrate, grant, status, check, dump, restore, retention, url, shell."""


@db.command("migrate", epilog="Example: attune db migrate --sql | less")
@click.option("--sql", is_flag=True, help="Print the statements instead of running them.")
@click.option(
    "--report",
    type=click.File("w", encoding="utf-8", lazy=False),
    help="Write what was done, and what was left, into FILE.",
)
def migrate_command(sql: bool, report: TextIO | None) -> None:
    """Bring the database to this version of Attune; an earlier installation's database is adopted.

    A new database gets the core pack's five runtimes. What of an earlier installation has no equal is named.
    """
    settings = load_settings()
    if sql:
        click.echo(migration_sql(settings))
        return
    with use_database(settings, create=True) as database:
        if locks := migration_state(database.url).locks:
            text = f"locked for longer than a second, so that nodes and the API wait: {', '.join(locks)}"
            click.echo(f"while this migrates, these are {text}", err=True)
        done, written = migrate(database.url)
        core = [f"core pack: {', '.join(written)}"] if written else []
        lines, left = [*_lines(done), *core], [f"left: {one}" for one in done.left]
        if report is not None:
            report.write("".join(f"{line}\n" for line in (*lines, *left)))
            left = [f"{len(left)} things could not be carried over or need somebody: see {report.name}"] if left else []
        said = asyncio.run(ensure_key(settings, database.url))
        for line in (*lines, *left):
            click.echo(line)
        if said:
            click.echo(said, err=True)


def _lines(report: "MigrationReport") -> Iterator[str]:
    if report.adopted:
        yield f"adopted an existing Attune database ({report.origin}) at {report.adopted}"
    for revision in report.applied:
        yield f"applied {revision}"
    if report.unify and report.unify.runtimes_before:
        yield (
            f"runtimes: {report.unify.runtimes_before} rows became {report.unify.runtimes_after}, "
            f"{report.unify.merged} of them merged; {report.unify.references} references moved"
        )
    yield f"the database is at {report.current}"


@db.command(epilog="Example: attune db grant web-1 --password")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["node", "admin", "reader"]),
    default="node",
    show_default=True,
    help="node: the node of that name; admin: `attune api` and operators; reader: who only looks.",
)
@click.option("--password", is_flag=True, help="Give it a new generated password, which is printed this once.")
def grant(name: str, role: "LoginRole", password: bool) -> None:
    """Make or alter the login of NAME, `attune_<role>_<NAME>`, and print the URL that it connects with.

    A node that is registered under NAME belongs to it from then on. Rights are set as this version wants them.
    """
    settings = load_settings()
    with use_database(settings) as database:
        require_migrated(database.url)
        click.echo(grant_login(settings, database.url, name, role, with_password=password))


@db.command(epilog="Example: attune db status --json")
@json_option
def status(as_json: bool) -> None:
    """Which revision the database has, and what is pending."""
    with use_database(load_settings()) as database:
        revisions = migration_state(database.url)
        if as_json:
            print_json(revisions)
            return
        click.echo(f"{database.shown}{' (embedded)' if database.server else ''}")
        click.echo(f"revision  {revisions.current or 'none'}")
        click.echo(f"newest    {revisions.head}")
        click.echo(f"pending   {', '.join(revisions.pending) or 'nothing'}")
        click.echo(f"origin    {revisions.origin}")
        if revisions.finding:
            click.echo(f"finding   {revisions.finding}")
            click.echo(f"try: {revisions.remedy}", err=True)


@db.command(epilog="Example: attune db retention --apply")
@click.option("--apply", is_flag=True, help="Remove now what has expired, instead of leaving it to the services.")
@json_option
def retention(apply: bool, as_json: bool) -> None:
    """What has ended and was kept long enough, by the settings `retention.*` of this host.

    What something else still refers to is counted once that is gone.
    """
    from attune.operations.installation.retain import Retention

    keep = asdict(load_settings().retention)

    async def work(store: "RetentionStore | None") -> "Sequence[RetainedRows]":
        assert store is not None
        if apply:
            gone: Counter[str] = Counter()
            await Retention(store, keep).remove(told=lambda kind, count: gone.update({kind: count}))
            for kind, count in gone.items():
                click.echo(f"{kind}: {count:,} removed", err=True)
        return await store.retained(keep)

    with use_database(load_settings()):
        found = ask(lambda installation: work(installation.retention))
    if as_json:
        print_json(found)
        return
    rows = [
        (one.kind, coarse(one.keep_seconds) if one.keep_seconds else "for ever", f"{one.expired:,}", f"{one.removed:,}")
        for one in found
    ]
    click.echo(table(("KIND", "KEPT", "EXPIRED", "REMOVED"), rows, width=terminal_width()))


@db.command(epilog="Example: attune db dump attune.dump")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def dump(file: Path) -> None:
    """Write the database into FILE, as it is at one moment, while it is used; then read FILE back.

    FILE is in the custom format of pg_dump, for this user only. Logins and the key of secrets are not in it.
    """
    settings = load_settings()
    with use_database(settings) as database, _progress() as told:
        rows = move_rows(database.url, file.absolute(), told)
    click.echo(f"{file}: {sum(rows.values()):,} rows of {len(rows)} tables")
    click.echo(f"not in it: the key of secrets; keep a copy of {keyring_for(settings).source}", err=True)


@db.command(epilog="Example: attune db restore attune.dump && attune db migrate")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before what the database holds is replaced.")
def restore(file: Path, yes: bool) -> None:
    """Put what FILE holds in place of what the database holds, all or nothing. Nobody may use it meanwhile."""
    with use_database(load_settings(), create=True) as database:
        if not yes and sys.stdin.isatty():
            click.confirm(f"Replace all that {database.shown} holds by {file}?", abort=True, err=True)
        with _progress() as told:
            rows = move_rows(database.url, file.absolute(), told, back=True)
    click.echo(f"{file}: {sum(rows.values()):,} rows of {len(rows)} tables")
    click.echo("logins are not in a dump: make those of nodes again with attune db grant NAME", err=True)


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many bytes are done."""
    from rich.console import Console

    with Console(stderr=True).status("0 MB") as status:
        yield lambda done: status.update(f"{done / 1e6:,.0f} MB")


@db.command(epilog="Example: attune db check && attune worker start")
def check() -> None:
    """Succeed if the database can be reached and is migrated; else say why not (exit code 1)."""
    with use_database(load_settings()) as database:
        require_migrated(database.url)
    click.echo("the database is reachable and up to date")


@db.command(epilog='Example: psql "$(attune db url)"')
def url() -> None:
    """Print the database's URL. The embedded server runs only while an attune process uses it."""
    with use_database(load_settings()) as database:
        click.echo(database.url)


@db.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Example: attune db shell -c 'SELECT ref, name FROM runtime ORDER BY ref'",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def shell(arguments: tuple[str, ...]) -> int:
    """Open psql on the database; ARGUMENTS are psql's."""
    settings = load_settings()
    with use_database(settings) as database:
        return open_psql(settings, database, arguments)
