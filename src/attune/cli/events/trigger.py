"""`attune trigger list`: the kinds of events that there are."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.group(epilog="Example: attune trigger list")
def trigger() -> None:
    """Triggers: the kinds of events that sensors tell and rules wait for."""


@trigger.command(name="list", epilog="Example: attune trigger list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """Every trigger, with its sensors and rules."""
    from attune.cli.events.session import with_events
    from attune.cli.table import table, terminal_width

    found = with_events(lambda events: events.list_triggers())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, default=str, ensure_ascii=False))
    elif not found:
        click.echo("There is no trigger yet. A pack brings them: attune pack load DIR")
    else:
        rows = [
            [one.ref, "yes" if one.enabled else "no", ", ".join(one.sensors), ", ".join(one.rules), one.label]
            for one in found
        ]
        click.echo(table(["TRIGGER", "ENABLED", "SENSORS", "RULES", "LABEL"], rows, width=terminal_width()))
