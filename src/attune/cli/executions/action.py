"""`attune action …`: what can be run, and running it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

import click

from attune.cli.executions.session import explain_waiting, print_ending, set_paused
from attune.cli.executions.session import follow as follow_execution
from attune.cli.key_values import read_pairs
from attune.cli.output import json_option, print_facts, print_json, print_list
from attune.cli.session import with_executions
from attune.core.durations import moment_of, seconds_of
from attune.core.errors import RequirementError
from attune.core.executions.action import Action
from attune.core.executions.execution import LEAST_PRIORITY, MOST_PRIORITY, Policy
from attune.core.ports.executions import ExecutionRecord, ExecutionStore, NewExecution

_PRIORITY = click.IntRange(LEAST_PRIORITY, MOST_PRIORITY)


def _span(flag: str, name: str, meaning: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that is a time, in seconds."""

    def seconds(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
        return None if text is None else seconds_of(text, flag)

    return click.option(flag, name, callback=seconds, metavar="DURATION", help=meaning)


@click.group(epilog="Example: attune action run demo.hello_python -p name=world --wait")
def action() -> None:
    """Actions: what packs bring to be run, and what each needs of the worker that runs it."""


@action.command(name="list", epilog="Example: attune action list --pack demo")
@click.option("--pack", "pack_ref", metavar="REF", help="Only those of this pack.")
@json_option
def list_command(pack_ref: str | None, as_json: bool) -> None:
    """Every action and what it needs."""
    print_list(
        with_executions(lambda store: store.actions(pack_ref)),
        as_json,
        ["ACTION", "STATE", "NEEDS", "WHAT IT DOES"],
        lambda one: [one.ref, "paused" if one.paused else one.cannot_run, _needs(one), one.label],
        empty="There is no action yet. A pack brings them: attune pack load DIR",
        data=_data,
    )


@action.command(epilog="Example: attune action show demo.hello_python")
@click.argument("ref")
@json_option
def show(ref: str, as_json: bool) -> None:
    """One action: what it needs and takes."""
    record = with_executions(lambda store: store.action(ref))
    if as_json:
        print_json(_data(record))
        return
    click.echo(f"{record.ref}: {record.label}")
    if record.description:
        click.echo(record.description.rstrip())
    print_facts(
        [
            ("needs", _needs(record)),
            ("prefers", "; ".join(record.prefers)),
            ("runs", " ".join([*record.interpreter_args, record.entrypoint])),
            ("parameters", f"as {record.delivery.value}"),
            ("time limit", f"{record.timeout_seconds:g} s" if record.timeout_seconds else ""),
            ("retries", _retries(record) if record.retries else ""),
            ("grace", "" if record.grace_seconds is None else f"{record.grace_seconds:g} s"),
            ("if lost", record.on_lost.value),
            ("priority", "" if record.priority is None else str(record.priority)),
            ("at once", f"at most {record.concurrency}" if record.concurrency else ""),
            ("paused by", record.paused or ""),
            ("cannot run", record.cannot_run),
        ]
    )
    required = record.param_schema.get("required") or ()
    for name, schema in (record.param_schema.get("properties") or {}).items():
        marks = [str(schema.get("type", "any")), *(["required"] if name in required else [])]
        marks += ["secret"] if schema.get("secret") else []
        click.echo(f"  {name} ({', '.join(marks)}) {schema.get('description') or ''}".rstrip())


@action.command(epilog="Example: attune action run demo.hello_python -p name=world --require 'zone=eu' --follow")
@click.argument("ref")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="KEY=TEXT", help="KEY:=JSON, KEY=@FILE.")
@click.option("--require", "extra", multiple=True, metavar="TERM", help="A term beside those of the action.")
@click.option("--wait", is_flag=True, help="Wait until it has ended, and print its result.")
@click.option("--follow", is_flag=True, help="Print what it prints while it runs; waits too.")
@_span("--timeout", "timeout_seconds", "End it when it has run for so long, such as 30s.")
@click.option(
    "--policy",
    type=click.Choice(["wait", "fail", "cancel"]),
    default="wait",
    show_default=True,
    help="What becomes of it where no worker can take it.",
)
@_span("--deadline", "wait_seconds", "Fail it if no worker could take it for so long.")
@click.option("--priority", type=_PRIORITY, help="0 to 9, the highest first.  [default: that of the action, else 5]")
@click.option("--at", metavar="TIME", help="Start it then: 14:00, 2026-11-27 14:00 or 2026-11-27T14:00Z.")
@_span("--in", "delay_seconds", "Start it so long from now, such as 10m.")
@click.option("--json", "as_json", is_flag=True, help="Print the execution as JSON.")
def run(
    ref: str,
    parameters: Sequence[str],
    extra: Sequence[str],
    policy: str,
    at: str | None,
    *,
    wait: bool,
    follow: bool,
    as_json: bool,
    **how: Any,
) -> int:
    """Run the action REF on a worker that can. Exit code 1 if it is waited for and does not complete.

    It runs whether or not this command waits: interrupting the command does not end it.
    """
    moment = None if at is None else moment_of(at, datetime.now(), "--at")

    async def run_action(store: ExecutionStore) -> ExecutionRecord:
        wanted = await store.action(ref)
        values = read_pairs(parameters, wanted.param_schema)
        new = NewExecution(wanted, values, tuple(extra), Policy(policy), not_before=moment, **how)
        execution = await store.run(new)
        if not (wait or follow) or execution.is_final:
            if execution.waits and not as_json:
                await explain_waiting(store, execution)
            return execution
        if not as_json:
            click.echo(f"execution {execution.id} of {ref}", err=True)
        return await follow_execution(store, execution.id, show=follow and not as_json)

    record = with_executions(run_action)
    if as_json:
        print_json(record)
        return 0 if record.succeeded or not record.is_final else 1
    if record.is_final:
        return print_ending(record)
    click.echo(f"execution {record.id}: {record.status}")
    click.echo(f"Follow it with: attune execution logs {record.id} --follow", err=True)
    return 0


@click.group(epilog="Example: attune fleet pause")
def fleet() -> None:
    """The whole fleet: stop all starts in an emergency, and go on."""


_GO_ON = "until it is resumed. What runs goes on."
_AGAIN = "Start again what waits; actions that are paused by themselves stay so."
for _verb, _of_action, _of_fleet in (
    ("pause", f"Start nothing of the action REF {_GO_ON}", f"Start no execution at all {_GO_ON}"),
    ("resume", "Start again what waits of the action REF.", _AGAIN),
):
    _set = partial(set_paused, paused=_verb == "pause")
    _example = f"Example: attune action {_verb} demo.hello_python"
    action.add_command(click.Command(_verb, None, _set, [click.Argument(["ref"])], _of_action, _example))
    fleet.add_command(click.Command(_verb, None, partial(_set, None), [], _of_fleet, f"Example: attune fleet {_verb}"))


def _retries(action: Action) -> str:
    first, most = action.retry_delay_seconds, action.retry_max_delay_seconds
    return f"{action.retries}, after {first:g} s" + (f" and longer each time, up to {most:g} s" if most > first else "")


def _needs(action: Action) -> str:
    try:
        return str(action.requirement)
    except RequirementError as error:
        return f"cannot be read: {error}"


def _data(action: Action) -> dict[str, Any]:
    return {**asdict(action), "requirement": _needs(action)}
