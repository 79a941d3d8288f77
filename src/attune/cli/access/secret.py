"""`attune secret` and `attune key`: named secrets, and what everything secret is encrypted with."""

from __future__ import annotations

import asyncio
import sys
from typing import IO

import click

from attune.cli.output import json_option, moment, print_list
from attune.cli.session import unknown, who, with_secrets
from attune.config import load_settings
from attune.core.access.secrets import LONGEST
from attune.core.errors import UsageError, shown
from attune.core.ports.access import SecretStore


@click.group(epilog="Example: attune secret set db-password < password.txt")
def secret() -> None:
    """Secrets: values that rules, packs, sensors and actions are given where a parameter is `secret:NAME`."""


@secret.command("set", epilog="Example: attune secret set db-password --from-file password.txt")
@click.argument("name")
@click.option("--from-file", "file", type=click.File("rb"), help="Read it from a file.")
def set_(name: str, file: IO[bytes] | None) -> None:
    """Keep a value under NAME: from a file, from stdin, or typed unseen. It is never shown again.

    The line break at the end of a single line is left out.
    """
    value = _read(file)
    with_secrets(lambda secrets: secrets.set_secret(name, value, changed_by=who()))
    click.echo(f"Secret {name} is set. Refer to it as secret:{name}")


@secret.command("list", epilog="Example: attune secret list")
@json_option
def list_(as_json: bool) -> None:
    """The names of all secrets, and when each was set; never a value."""
    print_list(
        with_secrets(lambda secrets: secrets.list_secrets()),
        as_json,
        ["SECRET", "SET", "BY"],
        lambda record: [record.name, moment(record.updated), record.changed_by],
        empty="There is no secret yet. Set one: attune secret set NAME",
    )


@secret.command(epilog="Example: attune secret remove db-password")
@click.argument("name")
def remove(name: str) -> None:
    """Forget a secret: work that needs it fails from now on, and says so."""

    async def forget(secrets: SecretStore) -> None:
        if not await secrets.remove_secret(name):
            names = [record.name for record in await secrets.list_secrets()]
            raise unknown(f"no secret has the name {shown(name)}", name, names, "attune secret list")

    with_secrets(forget)
    click.echo(f"Secret {name} is removed.")


@click.group(epilog="Example: attune key rotate")
def key() -> None:
    """The keys that secrets are encrypted with."""


@key.command(epilog="Example: attune key rotate")
def rotate() -> int:
    """Make a new key, and encrypt everything with it. Interrupted, it goes on when it is called again.

    Parameters that earlier versions stored in plain text are encrypted too. Other hosts need the new key file.
    """
    from attune.composition.databases import require_migrated, use_database
    from attune.composition.secrets import rotate_keys

    settings = load_settings()
    with use_database(settings) as database:
        require_migrated(database.url)
        name, done, left = asyncio.run(rotate_keys(settings, database.url))
    click.echo(f"{done} values are encrypted anew, with the key {name}")
    if left:
        click.echo(f"{left} values were left: their key is missing, or they were changed", err=True)
    return int(left > 0)


def _read(file: IO[bytes] | None) -> str:
    if file is None and sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True))
    try:
        text = (file or sys.stdin.buffer).read(4 * LONGEST + 2).decode()
    except UnicodeDecodeError:
        raise UsageError("value: expected text in UTF-8, got other bytes", hint="encode it: base64 FILE") from None
    line = text.removesuffix("\n").removesuffix("\r")
    return text if "\n" in line else line
