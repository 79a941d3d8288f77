"""What `attune runtime check` finds out about definitions, without saving anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from attune.cli.output import colour_of, with_symbol
from attune.composition.host_examiner import examiner_for
from attune.config import load_settings
from attune.core.runtimes.definition import Definition, unknown_keys
from attune.core.runtimes.examples import failed_examples
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Status, Verdict, verdict_data
from attune.operations.runtimes.examine import read_definitions


@dataclass(frozen=True, slots=True)
class CheckedRuntime:
    """One definition: its faults and warnings, and the verdict of a dry run on this host."""

    ref: str
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    examples: int
    verdict: Verdict

    @property
    def failed(self) -> bool:
        return bool(self.faults)

    def data(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "ref": self.ref,
            "valid": not self.failed,
            "faults": list(self.faults),
            "warnings": list(self.warnings),
            "examples": self.examples,
            "result": verdict_data(self.verdict),
        }


def check_runtimes(runtimes: Sequence[Runtime]) -> list[CheckedRuntime]:
    """Validate *runtimes*, judge their examples and dry-run them here."""
    settings = load_settings()
    read = read_definitions(runtimes)
    definitions = [item for item in read if isinstance(item, Definition)]
    examiner = examiner_for(settings)
    verdicts = iter(examiner.examine(definitions, deadline_seconds=settings.detection.deadline))
    return [
        _checked(runtime, item, next(verdicts) if isinstance(item, Definition) else item)
        for runtime, item in zip(runtimes, read, strict=True)
    ]


def _checked(runtime: Runtime, item: Definition | Verdict, verdict: Verdict) -> CheckedRuntime:
    if isinstance(item, Verdict):
        return CheckedRuntime(runtime.ref, (verdict.reason,), unknown_keys(runtime), 0, verdict)
    faults = tuple(fault.located for fault in failed_examples(item))
    return CheckedRuntime(
        runtime.ref, faults, (*verdict.warnings, *unknown_keys(runtime)), len(item.verification.examples), verdict
    )


def print_checks(checked: Sequence[CheckedRuntime]) -> None:
    """A paragraph for each definition."""
    for result in checked:
        valid = "invalid" if result.verdict.status is Status.INVALID else "valid"
        plural = "" if result.examples == 1 else "s"
        outcome = "failed" if result.failed else "right"
        examples = f", {result.examples} example{plural} {outcome}" if result.examples else ""
        click.echo(f"{result.ref}: {valid}{examples if valid == 'valid' else ''}")
        for fault in result.faults:
            click.echo(f"  fault: {fault}")
        for warning in result.warnings:
            click.echo(f"  warning: {warning}")
        if result.verdict.status is not Status.INVALID:
            status = click.style(with_symbol(result.verdict.status.value), fg=colour_of(result.verdict.status.value))
            version = f" {result.verdict.version}" if result.verdict.version else ""
            path = f" at {result.verdict.path}" if result.verdict.path else ""
            click.echo(f"  on this host: {status}{version}{path}: {result.verdict.reason}")
