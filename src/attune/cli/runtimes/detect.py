"""`attune detect`: what this machine can run, with proof."""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import click

from attune.cli.output import ORDER, listing, print_json
from attune.cli.runtimes.definitions import read_runtimes
from attune.cli.session import unknown
from attune.composition.databases import find_shipped, is_there, known_names, shipped_runtimes
from attune.composition.host_examiner import examiner_for, host_labels, selection_for
from attune.config import Settings, load_settings, variable
from attune.core.durations import coarse, seconds_of
from attune.core.errors import RequirementError
from attune.core.matching.fleet import Node, capabilities_of
from attune.core.matching.known_names import KnownNames
from attune.core.matching.requirement import Requirement
from attune.core.matching.requirement_parser import EXAMPLE
from attune.core.matching.term_judgement import Reason, judge
from attune.core.matching.terms import RuntimeTerm
from attune.core.nodes.role import ROLES, WORKER, Role
from attune.core.runtimes.aliases import fold
from attune.core.runtimes.definition import capability_name
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Verdict, verdict_data
from attune.operations.runtimes.detect import Detection, DetectionOptions
from attune.operations.runtimes.detect import detect as detect_runtimes


@click.command(epilog="Example: attune detect --local --require 'python >=3.9,<4' --only python")
@click.option("--role", type=click.Choice(list(ROLES)), default="worker", show_default=True, help="As which node.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--require", "required", multiple=True, metavar="TERM", help="Exit with 3 unless this holds; repeatable.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this runtime (name or ref); repeatable.")
@click.option("--local", is_flag=True, help="Use everything that is shipped instead of the database.")
@click.option("--max-age", metavar="DURATION", help="Accept what was verified at most this long ago, such as 10m.")
def detect(
    role: str, as_json: bool, required: Sequence[str], only: Sequence[str], local: bool, max_age: str | None
) -> int:
    """Verify this host now and print what it can run: runtime, status, version, path and why.

    Definitions come from the database (or the API) if one is configured or embedded data exists, else (or with
    --local) from everything shipped.
    """
    requirement = _requirement(required)
    settings = load_settings()
    oldest = seconds_of(max_age, "--max-age") if max_age is not None else 0.0
    terms = [term for term in requirement.terms if isinstance(term, RuntimeTerm)] if requirement else []
    shipped = local or not is_there(settings)
    runtimes = shipped_runtimes() if shipped else read_runtimes(settings)
    known = known_names(runtimes)
    added = {} if shipped else _shipped_for(terms, known)
    needed = [term.name for term in terms if term.name in known.defined or term.name in known.shipped]
    detection = _detect(
        settings,
        ROLES[role],
        [*runtimes, *added.values()],
        origin="catalogue" if shipped else "database",
        only=frozenset((*only, *needed)) if only else frozenset(),
        max_age_seconds=oldest,
        live=not as_json,
    )
    notes = [
        f"{name} has no definition yet, so the shipped one was used: attune runtime add --from-catalogue {name}"
        for name in added
    ]
    detection = replace(detection, warnings=(*detection.warnings, *notes))
    for warning in detection.warnings:
        click.echo(f"attune: warning: {warning}", err=True)
    if as_json:
        print_json(as_data(detection))
    else:
        click.echo(as_text(detection))
    return 3 if requirement is not None and not _holds(requirement, detection, settings, known) else 0


def _requirement(required: Sequence[str]) -> Requirement | None:
    if not required:
        return None
    try:
        return Requirement.parse(required)
    except RequirementError as error:
        error.hint = f"--require {error.suggestion or EXAMPLE!r}"
        raise


def _shipped_for(terms: Sequence[RuntimeTerm], known: KnownNames) -> dict[str, Runtime]:
    """The shipped definitions of what *terms* ask for and no other definition covers, by what they are added by."""
    names = [known.shipped[term.name] for term in terms if term.name in known.shipped if term.name not in known.defined]
    found = {name: find_shipped(name) for name in names}
    return {name: runtime for name, runtime in found.items() if runtime is not None}


def _holds(requirement: Requirement, detection: Detection, settings: Settings, known: KnownNames) -> bool:
    """Whether this host meets *requirement*; what it does not meet is said."""
    labels = host_labels(settings.node((detection.role or WORKER).name))
    host = Node(0, "this host", capabilities_of(detection.verdicts), labels)
    terms = (known.marked(term, [host]) for term in requirement.terms)
    unmet = [finding for finding in (judge(term, host) for term in terms) if not finding.holds]
    for finding in unmet:
        near = known.near(finding.term, [host]) if finding.reason is Reason.RUNTIME_UNDEFINED else None
        hint = f", did you mean {near}?" if near else ""
        click.echo(f"attune: requirement not met: {finding.term}: {finding.on(host)}{hint}", err=True)
    return not unmet


def _detect(
    settings: Settings,
    role: Role,
    runtimes: Sequence[Runtime],
    *,
    origin: str,
    only: frozenset[str],
    max_age_seconds: float,
    live: bool,
) -> Detection:
    selection = selection_for(settings, role)
    known = [*map(capability_name, runtimes), *(runtime.ref for runtime in runtimes), *(selection.names or ())]
    for name in sorted(only):
        if name not in known and fold(name) not in known:
            raise unknown(f"--only: no definition is called {name!r}", name, known, "attune runtime list")
    options = DetectionOptions(
        verify_overrides=settings.detection.verify_overrides,
        deadline_seconds=settings.detection.deadline,
        origin=origin,
        only=only | frozenset(fold(name) for name in only),
        max_age_seconds=max_age_seconds,
    )
    with _progress(live) as observer:
        return detect_runtimes(runtimes, selection, role, examiner_for(settings), options, observer)


def _progress(live: bool) -> Any:
    if live and sys.stderr.isatty() and sys.stdout.isatty():
        from attune.cli.progress import Progress

        return Progress()
    return nullcontext(None)


def as_data(detection: Detection) -> dict[str, Any]:
    """The object that `--json` prints."""
    return {
        "role": detection.role.name if detection.role else None,
        "source": detection.source,
        "runtimes": detection.offered,
        "duration_ms": round(detection.duration_ms, 3),
        "warnings": list(detection.warnings),
        "results": [verdict_data(verdict) for verdict in detection.verdicts],
    }


def as_text(detection: Detection) -> str:
    """The table, offered first, and the sentence under it."""
    verdicts = sorted(detection.verdicts, key=lambda verdict: (ORDER[verdict.status.value], verdict.capability))
    seconds = f"{detection.duration_ms / 1000:.2f} s"
    origin = {
        "catalogue": "from the shipped definitions",
        "database": "from the database",
        "environment": "from the environment, not verified",
        "config": "from the config file, not verified",
    }[detection.source]
    if any(verdict.status.value == "available" for verdict in verdicts):
        origin = origin.removesuffix(", not verified")
    offered = sum(verdict.status.offered for verdict in verdicts)
    sentence = f"{offered} of {len(verdicts)} runtimes available on {os.uname().nodename} ({origin}, {seconds})"
    if not verdicts:
        return f"{sentence}\nNothing to verify. Add a definition: attune runtime add --from-catalogue ruby"
    heads = ["RUNTIME", "STATUS", "VERSION", "PATH", "WHY"]
    printed = listing(heads, [_row(verdict) for verdict in verdicts], status=True)
    if not offered:
        sentence += (
            "\nNothing is offered. Install a runtime, or see what each definition expects: attune runtime show REF"
        )
    return f"{printed}\n{sentence}"


def _row(verdict: Verdict) -> list[str]:
    why = verdict.reason
    if verdict.evidence and verdict.evidence.cached_age is not None:
        why += f" (cached {coarse(verdict.evidence.cached_age)} ago)"
    home, path = variable("HOME"), verdict.path or ""
    if home and path.startswith(f"{home}/"):
        path = f"~{path[len(home) :]}"
    return [verdict.capability, verdict.status.value, verdict.version or "", path, "; ".join([why, *verdict.warnings])]
