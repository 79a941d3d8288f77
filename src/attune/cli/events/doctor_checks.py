"""What `attune doctor` looks at: what the database refused, events without their rules, and rules that are paused."""

from collections.abc import Iterator

from attune.cli.installation.findings import OK, PROBLEM, WARNING, DoctorFinding
from attune.cli.session import with_events
from attune.config import Settings
from attune.core.durations import coarse


def check_storing(settings: Settings) -> Iterator[DoctorFinding]:
    refusals = with_events(lambda events: events.refusals())
    letters = with_events(lambda events: events.list_letters(1000))
    for name, reason in refusals.items():
        remedy = "remove the reason; what waits is stored by itself then"
        yield DoctorFinding(PROBLEM, "storing", f"{name}: {reason}", remedy)
    if letters:
        count = "1 row was" if len(letters) == 1 else f"{len(letters)} rows were"
        text = f"{count} set aside, the first because {letters[0].reason}"
        yield DoctorFinding(WARNING, "storing", text, "attune dead-letter list")
    elif not refusals:
        yield DoctorFinding(OK, "storing", "nothing is refused, nothing was set aside")


def check_rules(settings: Settings) -> Iterator[DoctorFinding]:
    pending = with_events(lambda events: events.pending())
    if pending.is_overdue:
        text = f"{pending.number} events wait for their rules, the oldest since {coarse(pending.waited)}"
        yield DoctorFinding(PROBLEM, "rules", f"{text}: no process of the operator judges them", "attune api start")
    for rule in with_events(lambda events: events.list_rules()):
        if rule.enabled and rule.paused:
            text = f"{rule.ref} is paused by its circuit breaker: {rule.paused}"
            yield DoctorFinding(PROBLEM, "rules", text, f"attune rule show {rule.ref}")
