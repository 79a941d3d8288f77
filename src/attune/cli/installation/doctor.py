"""`attune doctor`, a self-check that names each problem and the command that fixes it, and `attune status`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from math import inf

import click

from attune.cli.installation.background import running_up
from attune.cli.installation.up import is_chosen
from attune.cli.output import json_option, print_json
from attune.cli.session import ask, with_events, with_executions
from attune.composition.installation import api_warnings
from attune.composition.secrets import key_problem
from attune.config import Settings, load_settings, variable
from attune.core.durations import coarse
from attune.core.errors import AttuneError, DefinitionError, UsageError
from attune.core.nodes.role import ROLES, WORKER
from attune.core.ports.executions import ExecutionFilter
from attune.core.runtimes.aliases import did_you_mean, nearest
from attune.core.runtimes.definition import Definition, parse_definition
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
    found += _look_at_installation(settings)
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
        OK, "settings", f"read from {settings.path}" if settings.path else "defaults (no attune.yaml here)"
    )
    yield from _selections(settings)
    yield from (DoctorFinding(WARNING, "api", warning) for warning in api_warnings(settings))
    is_broken = False
    for look in (_port, _database, _storing, _secrets, _definitions, _nodes, _work, _protections, _host):
        if is_broken and look in (_storing, _secrets, _definitions, _nodes, _work):
            continue
        try:
            yield from look(settings)
        except AttuneError as error:
            is_broken = is_broken or look is _database
            yield DoctorFinding(PROBLEM, look.__name__.strip("_"), str(error), error.hint)


def _look_at_installation(settings: Settings) -> list[DoctorFinding]:
    """Whether the database, the nodes and the work of the installation are well."""
    found: list[DoctorFinding] = []
    for look in (_database, _nodes, _work):
        try:
            found += look(settings)
        except AttuneError as error:
            return [*found, DoctorFinding(PROBLEM, look.__name__.strip("_"), str(error), error.hint)]
    return found


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


def _port(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.web.server import listen

    address = f"{settings.api.host}:{settings.api.port}"
    try:
        listen(settings.api.host, settings.api.port).close()
    except UsageError as error:
        if _is_attune(settings.api.host, settings.api.port):
            yield DoctorFinding(OK, "port", f"an API of Attune listens on {address}")
            return
        with listen(settings.api.host, settings.api.port, tries=100) as other:
            free = other.getsockname()[1]
        text = f"another program listens on {address}, or it is no address of this machine: {error}"
        level = PROBLEM if is_chosen(settings) else WARNING
        yield DoctorFinding(level, "port", text, f"ATTUNE__API__PORT={free} attune up")
    else:
        yield DoctorFinding(OK, "port", f"{address} is free")


def _is_attune(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read(100) == b'{"status":"ok"}'
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _database(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.databases import embedded_server, has_database, is_remote, migration_state, use_database

    if is_remote(settings):
        yield DoctorFinding(OK, "database", f"none: commands talk to the API at {settings.api.url}")
        return
    if not settings.database.url:
        embedded_server(settings).require_usable()
    if not has_database(settings):
        yield DoctorFinding(WARNING, "database", "none is configured and the embedded one has no data yet", "attune up")
        return
    with use_database(settings) as database:
        schema = migration_state(database.url)
        schema.require_newest()
        yield DoctorFinding(OK, "database", f"{database.shown}, revision {schema.current}")


def _storing(settings: Settings) -> Iterator[DoctorFinding]:
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


def _secrets(settings: Settings) -> Iterator[DoctorFinding]:
    if found := key_problem(settings):
        yield DoctorFinding(PROBLEM, "secrets", *found)


def _definitions(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.cli.runtimes.definitions import read_runtimes
    from attune.composition.databases import is_there

    if not is_there(settings):
        return
    definitions: list[Definition] = []
    runtimes = read_runtimes(settings)
    for runtime in runtimes:
        try:
            definitions.append(definition := parse_definition(runtime))
            verification = definition.verification
            problem = "has no verification command, so no node offers it"
            if not verification.needs_running or verification.checks:
                continue
        except DefinitionError as error:
            problem = f"is invalid: {error}"
        yield DoctorFinding(PROBLEM, "definitions", f"{runtime.ref} {problem}", f"attune runtime check {runtime.ref}")
    yield DoctorFinding(OK, "definitions", f"{len(definitions)} of {len(runtimes)} definitions are valid")
    yield from _declared(settings, {name for one in definitions for name in (one.capability, one.ref)})


def _declared(settings: Settings, known: Collection[str]) -> Iterator[DoctorFinding]:
    """Names that a node is told to offer and that no definition has."""
    for role in ROLES.values():
        section = settings.sensor if role.settings_section == "sensor" else settings.worker
        names = select(
            role.environment_variable, variable(role.environment_variable), role.settings_section, section.capabilities
        ).names
        for name in names or ():
            if name not in known:
                near = nearest(name, known)
                remedy = f"declare {near} in its place" if near else f"attune runtime add --from-catalogue {name}"
                text = f"{name} is declared, and no definition is called that{did_you_mean(name, known)}"
                yield DoctorFinding(PROBLEM if near else WARNING, role.name, text, remedy)


def _nodes(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.databases import is_there

    if not is_there(settings):
        return
    nodes = ask(lambda installation: installation.nodes.list_nodes(), settings)
    for role in ROLES.values():
        those = [node for node in nodes if node.role == role.name]
        live = [node for node in those if node.status not in ("inactive", "lost", "stale", "error")]
        if live:
            yield DoctorFinding(OK, f"{role.name}s", f"{len(live)} of {len(those)} live")
            continue
        last = min(those, key=lambda node: node.heartbeat_age or inf, default=None)
        heard = "none has registered yet"
        if last is not None:
            age = "never heard of" if last.heartbeat_age is None else f"heard of {coarse(last.heartbeat_age)} ago"
            heard = f"{last.name} is {last.status}, {age}"
        level = PROBLEM if role is WORKER else WARNING
        yield DoctorFinding(level, f"{role.name}s", f"no {role.name} lives: {heard}", f"attune {role.name} start")


def _work(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.databases import is_there

    if not is_there(settings):
        return
    waiting = with_executions(lambda executions: executions.list(ExecutionFilter(status="requested", limit=100)))
    if waiting:
        count = f"{len(waiting)} executions wait" if len(waiting) > 1 else "an execution waits"
        text = f"{count} for a worker that can take {'them' if len(waiting) > 1 else 'it'}"
        oldest = waiting[-1]
        text += f"; {oldest.id} of {oldest.action_ref} since {coarse(oldest.waited)}"
        yield DoctorFinding(PROBLEM, "work", text, f"attune execution show {oldest.id}")
    else:
        yield DoctorFinding(OK, "work", "nothing waits for a worker that can take it")


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
        yield DoctorFinding(WARNING, "host", f"a folder is left out for programs: {reason}", remedy)
    for verdict in detection.verdicts:
        if not verdict.status.offered:
            yield DoctorFinding(
                WARNING, "host", f"{verdict.capability}: {verdict.reason}", f"attune runtime show {verdict.ref}"
            )
