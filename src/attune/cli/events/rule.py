"""`attune rule …`: what follows an event."""

from __future__ import annotations

import json

import click

from attune.cli.output import json_option, print_list, switch_command, yes_or_no
from attune.cli.session import unknown, with_events
from attune.core.ports.events import EventReader


@click.group(epilog="Example: attune rule list")
def rule() -> None:
    """Rules: which action follows an event, and with which parameters."""


@rule.command(name="list", epilog="Example: attune rule list --json")
@json_option
def list_command(as_json: bool) -> None:
    """Every rule: its trigger, its conditions, its action."""
    print_list(
        with_events(lambda events: events.list_rules()),
        as_json,
        ["RULE", "ENABLED", "TRIGGER", "ACTION", "WHEN"],
        lambda rule: [rule.ref, yes_or_no(rule.enabled), rule.trigger_ref, rule.action_ref, _when(rule.conditions)],
        empty="There is no rule yet. A pack brings them: attune pack load DIR",
    )


def _when(conditions: object) -> str:
    terms = conditions if isinstance(conditions, list | tuple) else [conditions]
    return " and ".join(term if isinstance(term, str) else json.dumps(term, ensure_ascii=False) for term in terms)


def _switch(ref: str, enabled: bool) -> None:
    async def switch(events: EventReader) -> None:
        if not await events.set_rule_enabled(ref, enabled):
            refs = [known.ref for known in await events.list_rules()]
            raise unknown(f"no rule has the ref {ref!r}", ref, refs, "attune rule list")

    with_events(switch)


for _verb, _text in (
    ("enable", "Let a rule fire."),
    ("disable", "Keep a rule from firing; what it has started goes on."),
):
    rule.add_command(switch_command(_verb, _switch, text=_text, example=f"attune rule {_verb} demo.greet"))
