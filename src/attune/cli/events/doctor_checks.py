"""What `attune doctor` looks at: what the database refused."""

from __future__ import annotations

from collections.abc import Iterator

from attune.cli.installation.findings import OK, PROBLEM, WARNING, DoctorFinding
from attune.cli.session import with_events
from attune.config import Settings


def check_storing(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.databases import is_remote

    if is_remote(settings):
        return
    refusals = with_events(lambda events: events.refusals())
    letters = with_events(lambda events: events.list_letters(1000))
    for name, reason in refusals.items():
        remedy = "remove the reason; what waits is stored by itself then"
        yield DoctorFinding(PROBLEM, "storing", f"{name}: {reason}", remedy)
    if letters:
        text = f"{len(letters)} rows were set aside, the first because {letters[0].reason}"
        yield DoctorFinding(WARNING, "storing", text, "attune dead-letter list")
    elif not refusals:
        yield DoctorFinding(OK, "storing", "nothing is refused, nothing was set aside")
