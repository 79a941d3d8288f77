"""`attune doctor`, a self-check that names each problem and the command that fixes it, and `attune status`."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import click

from attune.cli.events.doctor_checks import check_rules, check_storing
from attune.cli.executions.doctor_checks import check_work
from attune.cli.installation.background import running_up
from attune.cli.installation.doctor_checks import (
    check_apis,
    check_database,
    check_port,
    check_protections,
    check_retention,
    check_secrets,
)
from attune.cli.installation.findings import OK, PROBLEM, WARNING, DoctorFinding
from attune.cli.nodes.doctor_checks import check_losses, check_nodes, check_selections
from attune.cli.output import json_option, print_json
from attune.cli.runtimes.doctor_checks import check_definitions, check_host
from attune.composition.installation import api_warnings
from attune.config import Settings, load_settings
from attune.core.errors import AttuneError


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """A function that looks at one subject. `asks_installation` if there must be one, and its database must work."""

    subject: str
    look: Callable[[Settings], Iterable[DoctorFinding]]
    asks_installation: bool = False


DATABASE = DoctorCheck("database", check_database)
NODES = DoctorCheck("nodes", check_nodes, asks_installation=True)
WORK = DoctorCheck("work", check_work, asks_installation=True)
CHECKS = (
    DoctorCheck("port", check_port),
    DATABASE,
    DoctorCheck("api", check_apis, asks_installation=True),
    DoctorCheck("storing", check_storing, asks_installation=True),
    DoctorCheck("rules", check_rules, asks_installation=True),
    DoctorCheck("retention", check_retention, asks_installation=True),
    DoctorCheck("secrets", check_secrets, asks_installation=True),
    DoctorCheck("definitions", check_definitions, asks_installation=True),
    NODES,
    DoctorCheck("fleet", check_losses, asks_installation=True),
    WORK,
    DoctorCheck("protections", check_protections),
    DoctorCheck("host", check_host),
)


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


@click.command(epilog="Example: attune status")
@json_option
def status(as_json: bool) -> int:
    """What is up here: the process, the database, the nodes, what waits. Exit code 1 if something is wrong."""
    from attune.composition.databases import data_dir, is_remote

    settings = load_settings()
    found: list[DoctorFinding] = []
    if not is_remote(settings):
        up = running_up(data_dir(settings))
        text = f"up, process {up.process}" + (f" on {up.address}" if up.address else ", starting") if up else "not up"
        found = [DoctorFinding(OK if up else PROBLEM, "attune", text, None if up else "attune up")]
    found += _run_checks((DATABASE, NODES, WORK), settings)
    if as_json:
        print_json(found)
    else:
        for finding in found:
            click.echo(f"{finding.subject.ljust(10)}{finding.text}")
    return int(any(finding.level == PROBLEM for finding in found))


def _examine_installation() -> Iterator[DoctorFinding]:
    """Look at everything, in the order in which it must be right."""
    yield DoctorFinding(OK, "python", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")
    try:
        settings = load_settings()
    except AttuneError as error:
        yield DoctorFinding(PROBLEM, "settings", str(error), error.hint)
        return
    yield DoctorFinding(
        OK, "settings", f"read from {settings.path}" if settings.path else "defaults (no settings file)"
    )
    yield from check_selections(settings)
    yield from (DoctorFinding(WARNING, "api", warning) for warning in api_warnings(settings))
    yield from _run_checks(CHECKS, settings)


def _run_checks(checks: Iterable[DoctorCheck], settings: Settings) -> Iterator[DoctorFinding]:
    """What they find, in order; where the database does not work, those that ask it are left out."""
    from attune.composition.databases import is_there

    is_broken = False
    for check in checks:
        if check.asks_installation and (is_broken or not is_there(settings)):
            continue
        try:
            yield from check.look(settings)
        except AttuneError as error:
            is_broken = is_broken or check is DATABASE
            yield DoctorFinding(PROBLEM, check.subject, str(error), error.hint)
