"""`attune token`: who may use the API."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from attune.cli.runtimes.definitions import who
from attune.cli.session import ask
from attune.cli.table import table, terminal_width
from attune.core.access.tokens import Scope, TokenRecord
from attune.core.errors import UsageError, shown
from attune.core.ports.access import TokenStore
from attune.core.runtimes.aliases import nearest

T = TypeVar("T")


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
    from attune.core.durations import seconds_of

    lasts = seconds_of(expires, "--expires") if expires else None
    made, text = _on_tokens(lambda tokens: tokens.create(name, Scope(scope), created_by=who(), expires_in=lasts))
    if as_json:
        click.echo(json.dumps({**_data(made), "token": text}, indent=2))
        return
    click.echo(text)
    click.echo("Keep it now: it cannot be shown again.", err=True)


@token.command("list", epilog="Example: attune token list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def list_(as_json: bool) -> None:
    """List the tokens, and when each was last used."""
    found = _on_tokens(lambda tokens: tokens.list_tokens())
    if as_json:
        click.echo(json.dumps([_data(one) for one in found], indent=2))
        return
    rows = [
        [
            str(one.id),
            one.name,
            one.scope,
            one.state,
            _moment(one.expires, "never"),
            _moment(one.last_used, "never"),
            one.created_by,
        ]
        for one in found
    ]
    click.echo(table(["ID", "NAME", "SCOPE", "STATE", "EXPIRES", "LAST USED", "MADE BY"], rows, width=terminal_width()))


@token.command(epilog="Example: attune token revoke ci")
@click.argument("token_name", metavar="ID|NAME")
def revoke(token_name: str) -> None:
    """End a token, and every session that was opened with it, at once."""

    async def end(tokens: TokenStore) -> TokenRecord:
        found = await _live(tokens, token_name)
        await tokens.revoke(found.id)
        return found

    ended = _on_tokens(end)
    click.echo(f"Token {ended.id} ({ended.name}) is revoked.")


@token.command(epilog="Example: attune token link ci")
@click.argument("token_name", metavar="ID|NAME")
def link(token_name: str) -> None:
    """Print a link that opens the page in the name of a token, for a day."""
    from attune.composition.databases import is_remote
    from attune.config import load_settings

    async def made(tokens: TokenStore) -> str:
        return await tokens.login_link((await _live(tokens, token_name)).id)

    settings = load_settings()
    api = settings.api
    address = api.url if is_remote(settings) else api.public_url or f"http://{api.host}:{api.port}"
    click.echo(f"{address}/login?code={_on_tokens(made)}")


async def _live(tokens: TokenStore, wanted: str) -> TokenRecord:
    """The live token of that id or name. Raises `UsageError`."""
    live = [one for one in await tokens.list_tokens() if one.state == "active"]
    found = next((one for one in live if wanted in (str(one.id), one.name)), None)
    if found is None:
        near = nearest(wanted, [one.name for one in live])
        meant = f"; did you mean {near}?" if near else ""
        raise UsageError(
            f"expected the id or the name of a live token, got {shown(wanted)}{meant}", hint="attune token list"
        )
    return found


def _on_tokens(work: Callable[[TokenStore], Awaitable[T]]) -> T:
    return ask(lambda installation: work(installation.tokens))


def _data(one: TokenRecord) -> dict[str, Any]:
    times = {name: getattr(one, name) for name in ("created", "expires", "last_used", "revoked")}
    return {
        "id": one.id,
        "name": one.name,
        "scope": one.scope.value,
        "state": one.state,
        "created_by": one.created_by,
        **{name: time.isoformat() if time else None for name, time in times.items()},
    }


def _moment(time: Any, never: str) -> str:
    return time.strftime("%Y-%m-%d %H:%M") if time else never
