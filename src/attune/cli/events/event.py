"""`attune trigger`, `attune rule` and `attune event`: what can happen, what follows it, and what has happened."""

import json
from collections.abc import Iterator, Sequence

import click

from attune.cli.key_values import read_pairs
from attune.cli.output import json_option, moment, print_json, print_list, switch_command, yes_or_no
from attune.cli.session import unknown, with_events
from attune.core.errors import UsageError
from attune.core.events.event import EventRecord, RuleRecord
from attune.core.ports.events import DeadLetters, EventReader

_MOST = 10_000


@click.group(epilog="Example: attune trigger list")
def trigger() -> None:
    """Triggers: the kinds of events that sensors tell and rules wait for."""


@trigger.command(name="list", epilog="Example: attune trigger list --json")
@json_option
def list_triggers(as_json: bool) -> None:
    """Every trigger, with its sensors and rules."""
    print_list(
        with_events(lambda events: events.list_triggers()),
        as_json,
        ["TRIGGER", "ENABLED", "SENSORS", "RULES", "LABEL"],
        lambda kind: [kind.ref, yes_or_no(kind.enabled), ", ".join(kind.sensors), ", ".join(kind.rules), kind.label],
        empty="There is no trigger yet. A pack brings them: attune pack load DIR",
    )


@click.group(epilog="Example: attune rule list")
def rule() -> None:
    """Rules: which action follows an event, and with which parameters."""


@rule.command(name="list", epilog="Example: attune rule list --json")
@json_option
def list_rules(as_json: bool) -> None:
    """Every rule: its trigger, its conditions, its action."""
    print_list(
        with_events(lambda events: events.list_rules()),
        as_json,
        ["RULE", "ENABLED", "TRIGGER", "ACTION", "WHEN"],
        lambda rule: [rule.ref, _enabled(rule), rule.trigger_ref, rule.action_ref, _when(rule.conditions)],
        empty="There is no rule yet. A pack brings them: attune pack load DIR",
    )


@rule.command(name="show", epilog="Example: attune rule show demo.greet")
@click.argument("ref")
@json_option
def show_rule(ref: str, as_json: bool) -> None:
    """One rule; for one that is paused, why it is."""
    rules = {rule.ref: rule for rule in with_events(lambda events: events.list_rules())}
    if ref not in rules:
        raise unknown(f"no rule has the ref {ref!r}", ref, rules, "attune rule list")
    rule = rules[ref]
    if as_json:
        print_json(rule)
        return
    click.echo(f"{rule.ref}: {rule.label}\nenabled: {_enabled(rule)}")
    if rule.paused:
        click.echo(f"paused: {rule.paused}\nIt goes on once it is changed, or by: attune rule enable {rule.ref}")
    click.echo(f"trigger: {rule.trigger_ref}\nwhen: {_when(rule.conditions) or 'always'}")
    click.echo(f"action: {rule.action_ref}\nparameters: {json.dumps(rule.action_params, ensure_ascii=False)}")
    seconds = {"at most every": rule.at_most_every_seconds, "delay": rule.delay_seconds}
    more = {"overlap": rule.overlap.removeprefix("queue")} | {name: f"{s:g} s" for name, s in seconds.items() if s}
    click.echo("".join(f"{name}: {text}\n" for name, text in more.items() if text), nl=False)


def _enabled(rule: RuleRecord) -> str:
    return "paused" if rule.enabled and rule.paused else yes_or_no(rule.enabled)


def _when(conditions: object) -> str:
    terms = conditions if isinstance(conditions, list | tuple) else [conditions]
    return " and ".join(term if isinstance(term, str) else json.dumps(term, ensure_ascii=False) for term in terms)


def _switch_rule(ref: str, enabled: bool) -> None:
    async def switch(events: EventReader) -> None:
        if not await events.set_rule_enabled(ref, enabled):
            refs = [known.ref for known in await events.list_rules()]
            raise unknown(f"no rule has the ref {ref!r}", ref, refs, "attune rule list")

    with_events(switch)


for _verb, _text in (
    ("enable", "Let a rule fire, also one that is paused."),
    ("disable", "Keep a rule from firing; what it has started goes on."),
):
    rule.add_command(switch_command(_verb, _switch_rule, text=_text, example=f"attune rule {_verb} demo.greet"))


@click.group(epilog="Example: attune event list")
def event() -> None:
    """Events: what sensors have told, and the executions that followed."""


@event.command(name="list", epilog="Example: attune event list --trigger demo.tick --limit 5")
@click.option("--trigger", "trigger_ref", metavar="REF", help="Only events of this trigger.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@json_option
def list_command(trigger_ref: str | None, limit: int, as_json: bool) -> None:
    """The last events, newest first, and what followed from each."""
    print_list(
        with_events(lambda events: events.list_events(limit, trigger_ref)),
        as_json,
        ["EVENT", "WHEN", "TRIGGER", "SOURCE", "FOLLOWED BY"],
        lambda it: [str(it.id), moment(it.created), it.trigger_ref, it.source_ref or "", _followed(it)],
        empty=f"There is no event of the trigger {trigger_ref}: attune trigger list"
        if trigger_ref
        else "There is no event yet. Sensors tell them, and: attune event send REF -p key=value",
    )


@event.command(epilog="Example: attune event show 7")
@click.argument("number", type=click.IntRange(1, 2**63 - 1))
@json_option
def show(number: int, as_json: bool) -> None:
    """One event: its payload, and what each rule made of it."""
    record = with_events(lambda events: events.get_event(number))
    if record is None:
        raise UsageError(f"no event has the number {number}", hint="attune event list")
    _print(record, as_json)
    if not record.enforcements and not as_json:
        click.echo("No rule fired.")


@event.command(epilog="Example: attune event send demo.tick -p at=now -p missed:=0")
@click.argument("trigger_ref", metavar="REF")
@click.option(
    "-p", "--payload", "fields", multiple=True, metavar="KEY=TEXT", help="A field of the payload; KEY:=JSON for JSON."
)
@json_option
def send(trigger_ref: str, fields: Sequence[str], as_json: bool) -> None:
    """Record an event of the trigger REF, as a sensor would, and print what followed."""
    payload = read_pairs(fields)

    async def send_event(events: EventReader) -> tuple[EventRecord, list[str]]:
        triggers = {trigger.ref: trigger for trigger in await events.list_triggers()}
        if trigger_ref not in triggers:
            raise unknown(f"no trigger has the ref {trigger_ref!r}", trigger_ref, triggers, "attune trigger list")
        record = await events.send(trigger_ref, payload)
        rules = [rule for rule in await events.list_rules() if rule.trigger_ref == trigger_ref]
        return record, [*_silent(record, rules, awake=triggers[trigger_ref].enabled)]

    record, silent = with_events(send_event)
    _print(record, as_json)
    for line in silent if not as_json else ():
        click.echo(line)


def _silent(record: EventRecord, rules: Sequence[RuleRecord], *, awake: bool) -> Iterator[str]:
    """Why the rules did nothing that made nothing of the event."""
    if not rules:
        yield f"no rule waits for {record.trigger_ref}: attune rule list"
    for rule in rules:
        if rule.ref not in {it.rule_ref for it in record.enforcements}:
            why = f"its condition is not met: {_when(rule.conditions)}" if rule.conditions else "it was not asked"
            if not rule.enabled:
                why = f"it is disabled: attune rule enable {rule.ref}"
            yield f"{rule.ref}: nothing: {why if awake else 'the trigger is disabled'}"


@click.group(name="dead-letter", epilog="Example: attune dead-letter list")
def dead_letter() -> None:
    """Dead letters: events, output and results that the database refused."""


@dead_letter.command(name="list", epilog="Example: attune dead-letter list --json")
@json_option
def list_letters(as_json: bool) -> None:
    """What was set aside, the oldest first; --json shows the rows themselves."""
    print_list(
        with_events(lambda events: events.list_letters(_MOST)),
        as_json,
        ["NUMBER", "WHEN", "KIND", "SOURCE", "TIMES", "REASON"],
        lambda one: [str(one.id), moment(one.at), one.kind, one.source, str(one.times), one.reason],
        empty="Nothing was set aside: the database has taken everything.",
    )


@dead_letter.command(epilog="Example: attune dead-letter replay")
@click.argument("numbers", nargs=-1, type=click.IntRange(1, 2**63 - 1), metavar="[NUMBER]...")
def replay(numbers: Sequence[int]) -> int:
    """Store dead letters (all, without a NUMBER) after all, and remove them. Exit code 1 if one is still refused."""

    async def replay_each(letters: DeadLetters) -> int:
        refused = 0
        for number in numbers or [letter.id for letter in await letters.list_letters(_MOST)]:
            refusal = await letters.replay(number)
            refused += refusal is not None
            click.echo(f"dead letter {number} {f'is still refused: {refusal}' if refusal else 'is stored'}")
        return int(refused > 0)

    return with_events(replay_each)


@dead_letter.command(epilog="Example: attune dead-letter remove 7")
@click.argument("number", type=click.IntRange(1, 2**63 - 1))
def remove(number: int) -> None:
    """Forget a dead letter for good."""
    if not with_events(lambda events: events.remove_letter(number)):
        raise UsageError(f"no dead letter has the number {number}", hint="attune dead-letter list")
    click.echo(f"dead letter {number} is removed")


def _print(record: EventRecord, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    source = f" from {record.source_ref}" if record.source_ref else ""
    click.echo(f"event {record.id}: {record.trigger_ref}{source} at {moment(record.created)}")
    click.echo(f"payload: {json.dumps(record.payload, ensure_ascii=False)}")
    for it in record.enforcements:
        ending = f"execution {it.execution}, {it.execution_status}" if it.execution else f"nothing: {it.reason}"
        click.echo(f"{it.rule_ref}: {ending}")


def _followed(record: EventRecord) -> str:
    return ", ".join(
        f"execution {it.execution} ({it.execution_status})" if it.execution else f"{it.rule_ref}: {it.reason}"
        for it in record.enforcements
    )
