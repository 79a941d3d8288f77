"""`attune action …`: what can be run, and running it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from attune.core.executions.action import Action
    from attune.core.ports.executions import ExecutionRecord, ExecutionStore


@click.group(epilog="Example: attune action run demo.hello_python -p name=world --wait")
def action() -> None:
    """Actions: what packs bring to be run, and what each needs of the worker that runs it."""


@action.command(name="list", epilog="Example: attune action list --pack demo")
@click.option("--pack", "pack_ref", metavar="REF", help="Only those of this pack.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(pack_ref: str | None, as_json: bool) -> None:
    """Every action and what it needs."""
    from attune.cli.executions.session import with_executions
    from attune.cli.table import table, terminal_width

    found = with_executions(lambda store: store.actions(pack_ref))
    if as_json:
        click.echo(json.dumps([_data(one) for one in found], indent=2, ensure_ascii=False))
    elif not found:
        click.echo("There is no action yet. A pack brings them: attune pack load DIR")
    else:
        rows = [[one.ref, _needs(one), one.label] for one in found]
        click.echo(table(["ACTION", "NEEDS", "WHAT IT DOES"], rows, width=terminal_width()))


@action.command(epilog="Example: attune action show demo.hello_python")
@click.argument("ref")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(ref: str, as_json: bool) -> None:
    """One action: what it needs and takes."""
    from attune.cli.executions.session import with_executions

    found = with_executions(lambda store: store.action(ref))
    if as_json:
        click.echo(json.dumps(_data(found), indent=2, ensure_ascii=False))
        return
    click.echo(f"{found.ref}: {found.label}")
    if found.description:
        click.echo(found.description.rstrip())
    facts = [
        ("needs", _needs(found)),
        ("prefers", "; ".join(found.prefers)),
        ("runs", " ".join([*found.interpreter_args, found.entrypoint])),
        ("parameters", f"as {found.delivery.value}"),
        ("time limit", f"{found.timeout_seconds:g} s" if found.timeout_seconds else ""),
        ("retries", f"{found.retries}, {found.retry_delay_seconds:g} s apart" if found.retries else ""),
        ("if lost", found.on_lost.value),
    ]
    for name, value in facts:
        if value:
            click.echo(f"{name:<11} {value}")
    required = found.param_schema.get("required") or ()
    for name, schema in (found.param_schema.get("properties") or {}).items():
        marks = [str(schema.get("type", "any")), *(["required"] if name in required else [])]
        marks += ["secret"] if schema.get("secret") else []
        click.echo(f"  {name} ({', '.join(marks)}) {schema.get('description') or ''}".rstrip())


@action.command(epilog="Example: attune action run demo.hello_python -p name=world --require 'zone=eu' --follow")
@click.argument("ref")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="KEY=TEXT", help="KEY:=JSON for JSON.")
@click.option("--require", "extra", multiple=True, metavar="TERM", help="A term beside those of the action.")
@click.option("--wait", is_flag=True, help="Wait until it has ended, and print its result.")
@click.option("--follow", is_flag=True, help="Print what it prints while it runs; waits too.")
@click.option("--timeout", metavar="DURATION", help="End it when it has run for so long, such as 30s.")
@click.option(
    "--policy",
    type=click.Choice(["wait", "fail", "cancel"]),
    default="wait",
    show_default=True,
    help="What becomes of it where no worker can take it.",
)
@click.option("--deadline", metavar="DURATION", help="Fail it if no worker could take it for so long.")
@click.option("--json", "as_json", is_flag=True, help="Print the execution as JSON.")
def run(
    ref: str,
    parameters: Sequence[str],
    extra: Sequence[str],
    wait: bool,
    follow: bool,
    timeout: str | None,
    policy: str,
    deadline: str | None,
    as_json: bool,
) -> int:
    """Run the action REF on a worker that can. Exit code 1 if it is waited for and does not complete.

    It runs whether or not this command waits: interrupting the command does not end it.
    """
    from attune.cli.executions.session import as_data, print_ending, with_executions
    from attune.cli.executions.session import follow as follow_one
    from attune.cli.key_values import read_pairs
    from attune.core.executions.execution import Policy
    from attune.core.ports.executions import NewExecution

    given = read_pairs(parameters)
    limit, until = _seconds("--timeout", timeout), _seconds("--deadline", deadline)

    async def asked(store: ExecutionStore) -> ExecutionRecord:
        found = await store.action(ref)
        new = NewExecution(found, given, tuple(extra), Policy(policy), until, limit)
        made = await store.run(new)
        if not (wait or follow) or made.is_final:
            return made
        if not as_json:
            click.echo(f"execution {made.id} of {ref}", err=True)
        return await follow_one(store, made.id, show=follow and not as_json)

    ended = with_executions(asked)
    if as_json:
        click.echo(as_data(ended))
        return 0 if ended.succeeded or not ended.is_final else 1
    if ended.is_final:
        return print_ending(ended)
    click.echo(f"execution {ended.id}: {ended.status}")
    click.echo(f"Follow it with: attune execution logs {ended.id} --follow", err=True)
    return 0


def _seconds(option: str, text: str | None) -> float | None:
    from attune.core.durations import seconds_of

    return None if text is None else seconds_of(text, option)


def _needs(found: Action) -> str:
    from attune.core.errors import RequirementError

    try:
        return str(found.requirement)
    except RequirementError as error:
        return f"cannot be read: {error}"


def _data(found: Action) -> dict[str, Any]:
    return {**asdict(found), "requirement": _needs(found)}
