"""`attune trigger list`: the kinds of events that there are."""

from __future__ import annotations

import click

from attune.cli.output import json_option, print_list, yes_or_no
from attune.cli.session import with_events
from attune.core.events.event import TriggerRecord


@click.group(epilog="Example: attune trigger list")
def trigger() -> None:
    """Triggers: the kinds of events that sensors tell and rules wait for."""


@trigger.command(name="list", epilog="Example: attune trigger list --json")
@json_option
def list_command(as_json: bool) -> None:
    """Every trigger, with its sensors and rules."""
    print_list(
        with_events(lambda events: events.list_triggers()),
        as_json,
        ["TRIGGER", "ENABLED", "SENSORS", "RULES", "LABEL"],
        _row,
        empty="There is no trigger yet. A pack brings them: attune pack load DIR",
    )


def _row(kind: TriggerRecord) -> list[str]:
    return [kind.ref, yes_or_no(kind.enabled), ", ".join(kind.sensors), ", ".join(kind.rules), kind.label]
