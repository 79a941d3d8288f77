"""What `attune doctor` looks at: the definitions, names that none has, and what this host can run."""

from collections.abc import Collection, Iterator

from attune.cli.installation.findings import OK, PROBLEM, WARNING, DoctorFinding
from attune.cli.runtimes.definitions import read_runtimes
from attune.composition.host_examiner import examiner_for, refused_folders, selection_for
from attune.config import Settings
from attune.core.errors import DefinitionError
from attune.core.nodes.role import ROLES
from attune.core.runtimes.aliases import did_you_mean, nearest
from attune.core.runtimes.definition import Definition, parse_definition
from attune.core.runtimes.selection import select


def check_definitions(settings: Settings) -> Iterator[DoctorFinding]:
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
        for name in selection_for(settings, role).names or ():
            if name not in known:
                near = nearest(name, known)
                remedy = f"declare {near} in its place" if near else f"attune runtime add --from-catalogue {name}"
                text = f"{name} is declared, and no definition is called that{did_you_mean(name, known)}"
                yield DoctorFinding(PROBLEM if near else WARNING, role.name, text, remedy)


def check_host(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.databases import core_runtimes
    from attune.operations.runtimes.detect import DetectionOptions, detect

    selection = select("", None, "worker")
    options = DetectionOptions(deadline_seconds=settings.detection.deadline, origin="catalogue")
    detection = detect(core_runtimes(), selection, None, examiner_for(settings), options)
    yield DoctorFinding(OK, "host", f"can run {', '.join(detection.offered)}")
    for reason in refused_folders(settings):
        remedy = "correct owner or mode, or name the owner in host.trusted_owners"
        yield DoctorFinding(WARNING, "host", f"left out for programs: {reason}", remedy)
    for verdict in detection.verdicts:
        if not verdict.status.offered:
            yield DoctorFinding(
                WARNING, "host", f"{verdict.capability}: {verdict.reason}", f"attune runtime show {verdict.ref}"
            )
