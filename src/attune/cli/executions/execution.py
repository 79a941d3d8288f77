"""`attune execution …`: what was run, what runs, what waits and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from attune.core.ports.executions import ExecutionRecord, ExecutionStore

_STATUSES = (
    *("requested", "scheduling", "scheduled", "running", "canceling"),
    *("completed", "failed", "cancelled", "timeout", "abandoned"),
)
_NUMBER = click.IntRange(1, 2**63 - 1)


@click.group(epilog="Example: attune execution list --status running")
def execution() -> None:
    """Executions: list, show (and why one waits), logs, cancel, retry."""


@execution.command(name="list", epilog="Example: attune execution list --action demo.hello_python --limit 5")
@click.option("--status", type=click.Choice(_STATUSES), help="Only those of this status.")
@click.option("--action", "action_ref", metavar="REF", help="Only those of this action.")
@click.option("--worker", "worker_name", metavar="NAME", help="Only those that this worker has or had.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(
    status: str | None, action_ref: str | None, worker_name: str | None, limit: int, as_json: bool
) -> None:
    """The last executions, newest first."""
    from attune.cli.executions.session import with_executions
    from attune.cli.symbols import colour_of, with_symbol
    from attune.cli.table import table, terminal_width
    from attune.core.ports.executions import ExecutionFilter

    wanted = ExecutionFilter(status, action_ref, worker_name, limit=limit)
    found = with_executions(lambda store: store.list(wanted))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, default=str, ensure_ascii=False))
    elif not found:
        click.echo("There is no such execution yet. Run an action: attune action run REF")
    else:
        rows = [
            [
                str(one.id),
                with_symbol(one.status),
                one.action_ref,
                one.worker_name or "",
                one.created.strftime("%Y-%m-%d %H:%M:%S"),
                "" if one.ran is None else f"{one.ran:.1f} s",
                one.reason or "",
            ]
            for one in found
        ]
        heads = ["EXECUTION", "STATUS", "ACTION", "WORKER", "CREATED", "RAN", "REASON"]
        colours = [colour_of(one.status) for one in found]
        click.echo(table(heads, rows, width=terminal_width(), colours=colours))


@execution.command(epilog="Example: attune execution show 7")
@click.argument("number", type=_NUMBER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(number: int, as_json: bool) -> None:
    """One execution; for one that waits, why, and what would help."""
    from attune.cli.executions.session import as_data, with_executions

    async def asked(store: ExecutionStore) -> tuple[ExecutionRecord, Mapping[str, Any]]:
        found = await store.get(number)
        waits = found.status == "requested"
        return found, await store.explanation(found) if waits else {}

    found, explained = with_executions(asked)
    if as_json:
        click.echo(as_data(found, explained))
        return
    _print(found)
    if explained:
        click.echo(f"\n{explained['text']}")


@execution.command(epilog="Example: attune execution logs 7 --follow")
@click.argument("number", type=_NUMBER)
@click.option("--follow", "-f", is_flag=True, help="Go on until it has ended.")
def logs(number: int, follow: bool) -> int:
    """What an execution has printed: its stdout on stdout, its stderr on stderr. With --follow, exits as it did."""
    from attune.cli.executions.session import follow as follow_one
    from attune.cli.executions.session import with_executions

    async def asked(store: ExecutionStore) -> ExecutionRecord:
        found = await store.get(number)
        if follow or found.is_final:
            return await follow_one(store, number, show=True)
        after = (0, 0)
        while pieces := await store.output(number, after):
            for piece in pieces:
                click.echo(piece.text, nl=False, err=piece.stream == "stderr")
            after = (pieces[-1].attempt, pieces[-1].number)
        return found

    found = with_executions(asked)
    if found.dropped_bytes:
        click.echo(f"{found.dropped_bytes:,} more bytes were printed and not kept", err=True)
    return 1 if follow and not found.succeeded else 0


@execution.command(epilog="Example: attune execution cancel 7")
@click.argument("number", type=_NUMBER)
def cancel(number: int) -> None:
    """End an execution: at once if it waits; if it runs, its processes are ended."""
    from attune.cli.executions.session import with_executions

    found = with_executions(lambda store: store.cancel(number))
    click.echo(f"execution {number}: {found.status}")


@execution.command(epilog="Example: attune execution retry 7")
@click.argument("number", type=_NUMBER)
def retry(number: int) -> None:
    """Run once more what an execution ran that has ended: a new one, with the action as it is now."""
    from attune.cli.executions.session import with_executions

    found = with_executions(lambda store: store.retry(number))
    click.echo(f"execution {found.id}: {found.status}, in place of {number}")


def _print(found: ExecutionRecord) -> None:
    from attune.cli.executions.session import interpreters
    from attune.cli.symbols import with_symbol

    facts = [
        ("status", with_symbol(found.status)),
        ("reason", found.reason or ""),
        ("action", found.action_ref),
        ("rule", found.rule_ref or ""),
        ("parameters", json.dumps(found.parameters, ensure_ascii=False) if found.parameters else ""),
        ("needs", found.requirement or "not known yet"),
        ("worker", found.worker_name or ""),
        ("with", interpreters(found)),
        ("attempt", str(found.attempt) + (f", lost {found.losses} times" if found.losses else "")),
        ("created", f"{found.created:%Y-%m-%d %H:%M:%S}"),
        ("waited", f"{found.waited:.2f} s"),
        ("ran", "" if found.ran is None else f"{found.ran:.2f} s"),
        ("exit code", "" if found.exit_code is None else str(found.exit_code)),
        ("result", "" if found.result is None else json.dumps(found.result, ensure_ascii=False)),
        ("retry of", str(found.retry_of or "")),
    ]
    click.echo(f"execution {found.id}")
    for name, value in facts:
        if value:
            click.echo(f"{name:<11} {value}")
