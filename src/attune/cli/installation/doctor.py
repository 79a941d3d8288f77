"""`attune doctor`: a self-check that names each problem and the command that fixes it."""

from __future__ import annotations

import click

from attune.cli.output import json_option, print_json


@click.command(epilog="Example: attune doctor --json")
@json_option
def doctor(as_json: bool) -> int:
    """Check this installation. Exit code 1 if there is a problem; warnings alone are fine."""
    from attune.cli.installation.doctor_checks import PROBLEM, examine_installation

    findings = list(examine_installation())
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
