"""`attune token`: who may use the API."""

from dataclasses import asdict

import click

from attune.cli.installation.background import running_up
from attune.cli.output import moment, print_json, print_list
from attune.cli.session import unknown, who, with_tokens
from attune.composition.databases import data_dir, is_remote
from attune.config import load_settings
from attune.core.access.tokens import Scope, TokenRecord
from attune.core.durations import seconds_of
from attune.core.errors import shown
from attune.core.ports.access import TokenStore


@click.group()
def token() -> None:
    """Tokens open the API and the page. Where the database is far, a token with scope admin makes others."""


@token.command(epilog="Example: attune token create ci --scope operate --expires 720h")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default="read",
    show_default=True,
    help="What it opens.",
)
@click.option("--expires", metavar="DURATION", help="After how long it ends, such as 12h. Not given: never.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(name: str, scope: str, expires: str | None, as_json: bool) -> None:
    """Make a token called NAME and print it, this once."""
    lasts = seconds_of(expires, "--expires") if expires else None
    record, text = with_tokens(lambda tokens: tokens.create(name, Scope(scope), created_by=who(), expires_in=lasts))
    if as_json:
        print_json({**asdict(record), "token": text})
        return
    click.echo(text)
    click.echo("Keep it now: it cannot be shown again.", err=True)


@token.command("list", epilog="Example: attune token list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def list_(as_json: bool) -> None:
    """List the tokens, and when each was last used."""
    print_list(
        with_tokens(lambda tokens: tokens.list_tokens()),
        as_json,
        ["ID", "NAME", "SCOPE", "STATE", "EXPIRES", "LAST USED", "MADE BY"],
        _row,
    )


def _row(token: TokenRecord) -> list[str]:
    times = [moment(time) if time else "never" for time in (token.expires, token.last_used)]
    return [str(token.id), token.name, token.scope, token.state, *times, token.created_by]


@token.command(epilog="Example: attune token revoke ci")
@click.argument("token_name", metavar="ID|NAME")
def revoke(token_name: str) -> None:
    """End a token, and every session that was opened with it, at once."""

    async def end(tokens: TokenStore) -> TokenRecord:
        record = await _live(tokens, token_name)
        await tokens.revoke(record.id)
        return record

    ended = with_tokens(end)
    click.echo(f"Token {ended.id} ({ended.name}) is revoked.")


@token.command(epilog="Example: attune token link ci")
@click.argument("token_name", metavar="ID|NAME")
def link(token_name: str) -> None:
    """Print a link that opens the page in the name of a token, once within ten minutes."""

    async def make(tokens: TokenStore) -> str:
        return await tokens.login_link((await _live(tokens, token_name)).id)

    settings = load_settings()
    api, up = settings.api, running_up(data_dir(settings))
    here = api.public_url or (up and up.address) or f"http://{api.host}:{api.port}"
    address = api.url if is_remote(settings) else here
    click.echo(f"{address}/login?code={with_tokens(make)}")


async def _live(tokens: TokenStore, wanted: str) -> TokenRecord:
    """The live token of that id or name. Raises `UsageError`."""
    live = [token for token in await tokens.list_tokens() if token.state == "active"]
    for token in live:
        if wanted in (str(token.id), token.name):
            return token
    sentence = f"expected the id or the name of a live token, got {shown(wanted)}"
    raise unknown(sentence, wanted, [token.name for token in live], "attune token list")
