"""`attune rule …`: what follows an event."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.group(epilog="Example: attune rule list")
def rule() -> None:
    """Rules: which action follows an event, and with which parameters."""


@rule.command(name="list", epilog="Example: attune rule list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """Every rule: its trigger, its conditions, its action."""
    from attune.cli.events.session import with_events
    from attune.cli.table import table, terminal_width

    found = with_events(lambda events: events.list_rules())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    elif not found:
        click.echo("There is no rule yet. A pack brings them: attune pack load DIR")
    else:
        rows = [
            [one.ref, "yes" if one.enabled else "no", one.trigger_ref, one.action_ref, _when(one.conditions)]
            for one in found
        ]
        click.echo(table(["RULE", "ENABLED", "TRIGGER", "ACTION", "WHEN"], rows, width=terminal_width()))


def _when(conditions: object) -> str:
    given = conditions if isinstance(conditions, list | tuple) else [conditions]
    return " and ".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in given)


def _switch(verb: str, enabled: bool, text: str) -> click.Command:
    @rule.command(name=verb, help=text, epilog=f"Example: attune rule {verb} demo.greet")
    @click.argument("ref")
    def switch(ref: str) -> None:
        from attune.cli.events.session import missing, with_events
        from attune.core.ports.events import EventReader

        async def switched(events: EventReader) -> None:
            if not await events.set_rule_enabled(ref, enabled):
                missing("rule", ref, [one.ref for one in await events.list_rules()])

        with_events(switched)
        click.echo(f"{ref} is {verb}d")

    return switch


enable = _switch("enable", True, "Let a rule fire.")
disable = _switch("disable", False, "Keep a rule from firing; what it has started goes on.")
