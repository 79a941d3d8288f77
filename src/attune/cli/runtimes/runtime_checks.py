"""What `attune runtime check` finds out about definitions, without saving anything."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from attune.cli.output import colour_of, with_symbol
from attune.composition.host_examiner import examiner_for
from attune.config import load_settings
from attune.core.errors import DefinitionError
from attune.core.runtimes.definition import Definition, unknown_keys
from attune.core.runtimes.examples import failed_examples, validate_definition
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Status, Verdict, verdict_data
from attune.operations.runtimes.examine import read_definitions


def check_runtimes(runtimes: Sequence[Runtime]) -> list[dict[str, Any]]:
    """Validate *runtimes*, judge their examples and dry-run them here; each as `--json` prints it."""
    settings = load_settings()
    read = read_definitions(runtimes)
    definitions = [item for item in read if isinstance(item, Definition)]
    examiner = examiner_for(settings)
    verdicts = iter(examiner.examine(definitions, deadline_seconds=settings.detection.deadline))
    return [
        _checked(runtime, item, next(verdicts) if isinstance(item, Definition) else item)
        for runtime, item in zip(runtimes, read, strict=True)
    ]


def _checked(runtime: Runtime, item: Definition | Verdict, verdict: Verdict) -> dict[str, Any]:
    examples = failed = 0
    if isinstance(item, Definition):
        examples, failed = len(item.verification.examples), len(failed_examples(item))
    faults = _faults(runtime)
    return {
        "ref": runtime.ref,
        "valid": not faults,
        "faults": faults,
        "warnings": [*verdict.warnings, *unknown_keys(runtime)],
        "examples": examples,
        "failed": failed,
        "result": verdict_data(verdict),
    }


def _faults(runtime: Runtime) -> list[str]:
    """All that is wrong with *runtime*, each with its place."""
    try:
        validate_definition(runtime)
    except DefinitionError as error:
        return [fault.located for fault in error.faults]
    return []


def print_checks(checked: Sequence[Mapping[str, Any]]) -> None:
    """A paragraph for each definition."""
    for result in checked:
        verdict, count, failed = result["result"], result["examples"], result["failed"]
        status = verdict["status"]
        word = "invalid" if len(result["faults"]) > failed else "valid"
        examples = f"{count} example{'' if count == 1 else 's'}"
        outcome = f", {failed} of {examples} failed" if failed else f", {examples} right" if count else ""
        click.echo(f"{result['ref']}: {word}{outcome}")
        for fault in result["faults"]:
            click.echo(f"  fault: {fault}")
        for warning in result["warnings"]:
            click.echo(f"  warning: {warning}")
        if status != Status.INVALID:
            version = f" {verdict['version']}" if verdict["version"] else ""
            path = f" at {verdict['path']}" if verdict["path"] else ""
            shown = click.style(with_symbol(status), fg=colour_of(status))
            click.echo(f"  on this host: {shown}{version}{path}: {verdict['reason']}")
