"""`attune audit`: who asked for what, what was changed, and what was refused."""

import click

from attune.cli.output import json_option, moment, print_list
from attune.cli.session import with_tokens
from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.durations import seconds_of
from attune.core.errors import legible


@click.group(epilog="Example: attune audit list --since 1h --result refused")
def audit() -> None:
    """The audit: requests and refusals of the API, and every change by operators."""


@audit.command("list", epilog="Example: attune audit list --who ci --action runtime --since 24h")
@click.option("--who", metavar="NAME", help="Only this token, person or login of the database.")
@click.option("--action", metavar="TEXT", help="Only where method and path, or table and row, have this in them.")
@click.option("--result", type=click.Choice(["ok", "refused"]), help="Only what was done, or was not.")
@click.option("--since", metavar="DURATION", help="Not older than that, such as 1h.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@json_option
def list_(
    who: str | None, action: str | None, result: str | None, since: str | None, limit: int, as_json: bool
) -> None:
    """The last lines, newest first; --json has all of each: what was sent, or what a row was and became."""
    wanted = AuditFilter(
        who=who,
        action=action,
        refused=None if result is None else result == "refused",
        since=seconds_of(since, "--since") if since else None,
        limit=limit,
    )
    print_list(
        with_tokens(lambda tokens: tokens.list_audit(wanted)),
        as_json,
        ["WHEN", "WHO", "ACTION", "RESULT", "FROM"],
        _row,
        empty="The audit has no such line.",
    )


def _row(line: AuditRecord) -> list[str]:
    result = f"{line.status} {line.code}" if line.is_refused else "ok"
    times = f" ({line.count} times)" if line.count > 1 else ""
    return [moment(line.at), legible(line.actor), legible(line.action), result + times, line.client or ""]
