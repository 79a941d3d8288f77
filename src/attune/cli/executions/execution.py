"""`attune execution …`: what was run, what runs, what waits and why."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from attune.cli.executions.session import follow as follow_execution
from attune.cli.executions.session import interpreters, print_output, tell_pauses
from attune.cli.output import json_option, moment, print_facts, print_json, print_list, with_symbol
from attune.cli.session import with_executions
from attune.core.durations import coarse, seconds_of
from attune.core.errors import UsageError, legible
from attune.core.executions.execution import ExecutionStatus
from attune.core.ports.executions import ExecutionFilter, ExecutionRecord, ExecutionStore

_STATUSES = [status.value for status in ExecutionStatus]
_NUMBER = click.IntRange(1, 2**63 - 1)


@click.group(epilog="Example: attune execution list --status running")
def execution() -> None:
    """Executions: list, show (and why one waits), logs, cancel, retry."""


@execution.command(name="list", epilog="Example: attune execution list --action demo.hello_python --limit 5")
@click.option("--status", type=click.Choice(_STATUSES), help="Only those of this status.")
@click.option("--action", "action_ref", metavar="REF", help="Only those of this action.")
@click.option("--worker", "worker_name", metavar="NAME", help="Only those that this worker has or had.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@json_option
def list_command(
    status: str | None, action_ref: str | None, worker_name: str | None, limit: int, as_json: bool
) -> None:
    """The last executions, newest first."""
    wanted = ExecutionFilter(status, action_ref, worker_name, limit=limit)
    tell_pauses()
    print_list(
        with_executions(lambda store: store.list(wanted)),
        as_json,
        ["EXECUTION", "STATUS", "ACTION", "WORKER", "AGE", "RAN", "REASON"],
        _row,
        empty="No execution is like that: attune execution list"
        if status or action_ref or worker_name
        else "There is no execution yet. Run an action: attune action run REF",
        status=True,
    )


def _row(record: ExecutionRecord) -> list[str]:
    worker, ran = record.worker_name or "", "" if record.ran is None else f"{record.ran:.1f} s"
    return [str(record.id), record.status, record.action_ref, worker, _age(record), ran, record.why]


def _age(record: ExecutionRecord) -> str:
    return coarse((datetime.now(UTC) - record.created).total_seconds())


@execution.command(epilog="Example: attune execution show 7")
@click.argument("number", type=_NUMBER)
@json_option
def show(number: int, as_json: bool) -> None:
    """One execution; for one that waits, why, and what would help."""

    async def read(store: ExecutionStore) -> tuple[ExecutionRecord, Mapping[str, Any]]:
        record = await store.get(number)
        return record, await store.explanation(record) if record.waits else {}

    record, explanation = with_executions(read)
    if as_json:
        print_json({**asdict(record), **explanation})
        return
    _print(record)
    if explanation:
        click.echo(f"\n{explanation['text']}")


@execution.command(epilog="Example: attune execution logs 7 --follow")
@click.argument("number", type=_NUMBER)
@click.option("--follow", "-f", is_flag=True, help="Go on until it has ended.")
def logs(number: int, follow: bool) -> int:
    """What an execution has printed: its stdout on stdout, its stderr on stderr. With --follow, exits as it did."""

    async def read(store: ExecutionStore) -> ExecutionRecord:
        record = await store.get(number)
        if follow or record.is_final:
            return await follow_execution(store, number, show=True)
        await print_output(store, number)
        return record

    record = with_executions(read)
    return 1 if follow and not record.succeeded else 0


@execution.command(epilog="Example: attune execution cancel --action demo.hello_python --status requested --yes")
@click.argument("number", type=_NUMBER, required=False)
@click.option("--status", type=click.Choice(_STATUSES), help="Only those of this status.")
@click.option("--action", "action_ref", metavar="REF", help="Only those of this action.")
@click.option("--worker", "worker_name", metavar="NAME", help="Only those that this worker has or had.")
@click.option("--older-than", metavar="DURATION", help="Only those asked for so long ago, such as 1h.")
@click.option("--yes", is_flag=True, help="End them; else they are only told.")
def cancel(number: int | None, older_than: str | None, *, yes: bool, **which: Any) -> None:
    """End an execution, or all that are like that: at once what waits; of what runs the processes are ended."""
    seconds = None if older_than is None else seconds_of(older_than, "--older-than")
    wanted = ExecutionFilter(**which, limit=10, older_than=seconds)
    if number is not None:
        if wanted != ExecutionFilter(limit=10):
            raise UsageError("expected the number of an execution, or options that say which, got both")
        record = with_executions(lambda store: store.cancel(number))
        click.echo(f"execution {number}: {record.status}")
        return
    found = with_executions(lambda store: store.cancel_all(wanted, preview=not yes))
    many = f"{found.count} execution{'s' * (found.count != 1)}"
    click.echo(f"{many} cancelled, or asked to end" if yes else f"{many} to be cancelled: add --yes")
    for record in found.executions if not yes else ():
        click.echo(f"  {record.id} {record.action_ref}: {record.status}, asked for {_age(record)} ago")


@execution.command(epilog="Example: attune execution retry 7")
@click.argument("number", type=_NUMBER)
def retry(number: int) -> None:
    """Run once more what an execution ran that has ended: a new one, with the action as it is now."""
    record = with_executions(lambda store: store.retry(number))
    click.echo(f"execution {record.id}: {record.status}, in place of {number}")


def _print(record: ExecutionRecord) -> None:
    facts = [
        ("status", with_symbol(record.status)),
        ("reason", record.reason or ""),
        ("held back", record.held_back or ""),
        ("action", record.action_ref),
        ("version", record.version or ""),
        ("rule", record.rule_ref or ""),
        ("parameters", json.dumps(record.parameters, ensure_ascii=False) if record.parameters else ""),
        ("priority", str(record.priority)),
        ("needs", record.requirement or "not known yet"),
        ("worker", record.worker_name or ""),
        ("with", interpreters(record)),
        ("pack files", record.pack_digest or ""),
        ("attempt", record.attempts),
        ("created", moment(record.created)),
        ("waited", f"{record.waited:.2f} s"),
        ("ran", "" if record.ran is None else f"{record.ran:.2f} s"),
        ("exit code", "" if record.exit_code is None else str(record.exit_code)),
        ("result", "" if record.result is None else json.dumps(record.result, ensure_ascii=False)),
        ("retry of", str(record.retry_of or "")),
    ]
    click.echo(f"execution {record.id}")
    print_facts(facts)
    if record.timeline:
        click.echo("timeline")
    for at, text in record.history:
        click.echo(f"  {moment(at)}  {legible(text, 600)}")
