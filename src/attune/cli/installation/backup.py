"""`attune db dump`, `restore` and `upgrade`: the database as a file, from a file, and on a newer PostgreSQL."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from attune.composition.databases import use_database
from attune.composition.secrets import keyring_for
from attune.config import load_settings, process_environment

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog="Example: attune db dump attune.dump")
@click.argument("file", type=FILE)
def dump(file: Path) -> None:
    """Write the database into FILE, as it is at one moment, while it is used; then read FILE back.

    FILE is in the custom format of pg_dump, for this user only. Logins and the key of secrets are not in it.
    """
    from attune.composition import backup

    settings = load_settings()
    with use_database(settings) as database, _progress("written") as told:
        rows = backup.dump(database.url, file.absolute(), process_environment(), told)
    click.echo(f"{file}: {sum(rows.values()):,} rows of {len(rows)} tables")
    click.echo(f"not in it: the key of secrets; keep a copy of {keyring_for(settings).source}", err=True)


@click.command(epilog="Example: attune db restore attune.dump && attune db migrate")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before what the database holds is replaced.")
def restore(file: Path, yes: bool) -> None:
    """Put what FILE holds in place of what the database holds, all or nothing. Nobody may use it meanwhile."""
    from attune.composition import backup

    with use_database(load_settings(), create=True) as database:
        if not yes and sys.stdin.isatty():
            click.confirm(f"Replace all that {database.shown} holds by {file}?", abort=True, err=True)
        with _progress("read") as told:
            rows = backup.restore(database.url, file.absolute(), process_environment(), told)
    click.echo(f"{file}: {sum(rows.values()):,} rows of {len(rows)} tables")
    click.echo("logins are not in a dump: make those of nodes again with attune db grant NAME", err=True)


@click.command(epilog="Example: attune down && attune db upgrade")
def upgrade() -> None:
    """Move the embedded database to the newest PostgreSQL that is installed. The former folder is kept beside it."""
    from attune.composition import backup

    with _progress("moved") as told:
        before, after, kept = backup.upgrade_embedded(load_settings(), told)
    if kept is None:
        click.echo(f"nothing to do: the database is of PostgreSQL {before}, and {after} is installed")
    else:
        click.echo(f"moved from PostgreSQL {before} to {after}; the former folder is kept: {kept}")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many bytes are *what*, once a second."""
    begun = shown = time.monotonic()

    def tell(done: int) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() > shown + 1:
            shown = time.monotonic()
            click.echo(f"\r{done / 1e6:,.0f} MB {what}, {shown - begun:.0f} s", nl=False, err=True)

    yield tell
    if shown > begun:
        click.echo(err=True)
