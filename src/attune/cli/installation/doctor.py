"""`attune doctor`: a self-check that names each problem and the command that fixes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click

from attune.cli.output import json_option, print_json
from attune.composition.installation import api_warnings
from attune.config import Settings, load_settings, variable
from attune.core.errors import AttuneError, DefinitionError
from attune.core.nodes.role import ROLES
from attune.core.runtimes.definition import parse_definition
from attune.core.runtimes.selection import select

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One thing that was looked at. `remedy` is the command or the change that helps."""

    level: str
    subject: str
    text: str
    remedy: str | None = None


@click.command(epilog="Example: attune doctor --json")
@json_option
def doctor(as_json: bool) -> int:
    """Check this installation. Exit code 1 if there is a problem; warnings alone are fine."""
    findings = list(_examine_installation())
    if as_json:
        print_json(findings)
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            colour = {"ok": "green", "warning": "yellow"}.get(finding.level, "red")
            click.echo(
                f"{click.style(finding.level.ljust(7), fg=colour)}  {finding.subject.ljust(width)}  {finding.text}"
            )
            if finding.remedy:
                click.echo(f"{' ' * 9}try: {finding.remedy}")
    return int(any(finding.level == PROBLEM for finding in findings))


def _examine_installation() -> Iterator[DoctorFinding]:
    """Look at everything, in the order in which it must be right."""
    yield DoctorFinding(OK, "python", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")
    try:
        settings = load_settings()
    except AttuneError as error:
        yield DoctorFinding(PROBLEM, "settings", str(error), error.hint)
        return
    yield DoctorFinding(
        OK, "settings", f"read from {settings.path}" if settings.path else "defaults (no attune.yaml here)"
    )
    yield from _selections(settings)
    yield from (DoctorFinding(WARNING, "api", warning) for warning in api_warnings(settings))
    for look in (_database, _storing, _definitions, _protections, _host):
        try:
            yield from look(settings)
        except AttuneError as error:
            yield DoctorFinding(PROBLEM, look.__name__.strip("_"), str(error), error.hint)


def _selections(settings: Settings) -> Iterator[DoctorFinding]:
    for role in ROLES.values():
        section = settings.sensor if role.settings_section == "sensor" else settings.worker
        name = role.environment_variable
        try:
            chosen = select(name, variable(name), role.settings_section, section.capabilities)
        except AttuneError as error:
            yield DoctorFinding(PROBLEM, role.name, str(error), error.hint)
            continue
        what = "whatever is verified" if chosen.names is None else ", ".join(chosen.names) or "nothing"
        yield DoctorFinding(OK, role.name, f"offers {what} (decided by: {chosen.source.value})")
        for warning in chosen.warnings:
            yield DoctorFinding(WARNING, role.name, warning, f"unset {name}")


def _database(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.databases import has_database, is_remote, migration_state, use_database

    if is_remote(settings):
        yield DoctorFinding(OK, "database", f"none: commands talk to the API at {settings.api.url}")
        return
    if not has_database(settings):
        yield DoctorFinding(WARNING, "database", "none is configured and the embedded one has no data yet", "attune up")
        return
    with use_database(settings) as database:
        schema = migration_state(database.url)
        schema.require_newest()
        yield DoctorFinding(OK, "database", f"{database.shown}, revision {schema.current}")


def _storing(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.cli.session import with_events
    from attune.composition.databases import is_remote, is_there

    if is_remote(settings) or not is_there(settings):
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


def _definitions(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.cli.runtimes.definitions import read_runtimes
    from attune.composition.databases import is_there

    if not is_there(settings):
        return
    runtimes = read_runtimes(settings)
    faulty = 0
    for runtime in runtimes:
        try:
            parse_definition(runtime)
        except DefinitionError as error:
            faulty += 1
            yield DoctorFinding(
                PROBLEM, "definitions", f"{runtime.ref} is invalid: {error}", f"attune runtime check {runtime.ref}"
            )
    yield DoctorFinding(OK, "definitions", f"{len(runtimes) - faulty} of {len(runtimes)} definitions are valid")


def _protections(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.host_examiner import host_protections

    for protection in host_protections(settings):
        if protection.problem:
            yield DoctorFinding(WARNING, protection.name, protection.problem, protection.remedy)
        else:
            yield DoctorFinding(OK, protection.name, protection.does)


def _host(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.databases import core_runtimes
    from attune.composition.host_examiner import examiner_for, refused_folders
    from attune.operations.runtimes.detect import DetectionOptions, detect

    selection = select("", None, "worker")
    options = DetectionOptions(deadline_seconds=settings.detection.deadline, origin="catalogue")
    detection = detect(core_runtimes(), selection, None, examiner_for(settings), options)
    yield DoctorFinding(OK, "host", f"can run {', '.join(detection.offered)}")
    for reason in refused_folders(settings):
        remedy = "correct owner or mode, or name the owner in host.trusted_owners"
        yield DoctorFinding(WARNING, "host", f"PATH is searched without a folder: {reason}", remedy)
    for verdict in detection.verdicts:
        if not verdict.status.offered:
            yield DoctorFinding(
                WARNING, "host", f"{verdict.capability}: {verdict.reason}", f"attune runtime show {verdict.ref}"
            )
