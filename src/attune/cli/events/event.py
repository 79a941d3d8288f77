"""`attune event …`: what has happened, and what followed from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from attune.core.errors import UsageError

if TYPE_CHECKING:
    from attune.core.events.event import EventRecord
    from attune.core.ports.events import EventReader


@click.group(epilog="Example: attune event list")
def event() -> None:
    """Events: what sensors have told, and the executions that followed."""


@event.command(name="list", epilog="Example: attune event list --trigger demo.tick --limit 5")
@click.option("--trigger", "trigger_ref", metavar="REF", help="Only events of this trigger.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(trigger_ref: str | None, limit: int, as_json: bool) -> None:
    """The last events, newest first, and what followed from each."""
    from attune.cli.events.session import with_events
    from attune.cli.table import table, terminal_width

    found = with_events(lambda events: events.list_events(limit, trigger_ref))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, default=str, ensure_ascii=False))
    elif not found:
        click.echo("There is no event yet. Sensors tell them, and: attune event send REF -p key=value")
    else:
        rows = [
            [
                str(one.id),
                one.created.strftime("%Y-%m-%d %H:%M:%S"),
                one.trigger_ref,
                one.source_ref or "",
                _followed(one),
            ]
            for one in found
        ]
        click.echo(table(["EVENT", "WHEN", "TRIGGER", "SOURCE", "FOLLOWED BY"], rows, width=terminal_width()))


@event.command(epilog="Example: attune event show 7")
@click.argument("number", type=click.IntRange(1, 2**63 - 1))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(number: int, as_json: bool) -> None:
    """One event: its payload, and what each rule made of it."""
    from attune.cli.events.session import with_events

    found = with_events(lambda events: events.get_event(number))
    if found is None:
        raise UsageError(f"no event has the number {number}", hint="attune event list")
    _print(found, as_json)


@event.command(epilog="Example: attune event send demo.tick -p at=now -p missed:=0")
@click.argument("trigger_ref", metavar="REF")
@click.option(
    "-p", "--payload", "fields", multiple=True, metavar="KEY=TEXT", help="A field of the payload; KEY:=JSON for JSON."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def send(trigger_ref: str, fields: Sequence[str], as_json: bool) -> None:
    """Record an event of the trigger REF, as a sensor would, and print what followed."""
    from attune.cli.events.session import missing, with_events
    from attune.cli.key_values import read_pairs

    payload = read_pairs(fields)

    async def sent(events: EventReader) -> EventRecord:
        known = [one.ref for one in await events.list_triggers()]
        if trigger_ref not in known:
            missing("trigger", trigger_ref, known)
        return await events.send(trigger_ref, payload)

    _print(with_events(sent), as_json)


def _print(found: EventRecord, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, default=str, ensure_ascii=False))
        return
    source = f" from {found.source_ref}" if found.source_ref else ""
    click.echo(f"event {found.id}: {found.trigger_ref}{source} at {found.created:%Y-%m-%d %H:%M:%S}")
    click.echo(f"payload: {json.dumps(found.payload, ensure_ascii=False)}")
    for one in found.enforcements:
        ending = f"execution {one.execution}, {one.execution_status}" if one.execution else f"nothing: {one.reason}"
        click.echo(f"{one.rule_ref}: {ending}")
    if not found.enforcements:
        click.echo("No rule fired.")


def _followed(found: EventRecord) -> str:
    return ", ".join(
        f"execution {one.execution} ({one.execution_status})" if one.execution else f"{one.rule_ref}: {one.reason}"
        for one in found.enforcements
    )
