"""`attune match`: which nodes can run this, why the others cannot, and what would help."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from attune.cli.output import listing, print_json
from attune.cli.session import ask
from attune.core.matching.explanation import PlacementOutcome
from attune.core.matching.requirement import Preference, Requirement
from attune.core.nodes.role import ROLES
from attune.core.ports.matching import MatchQuery


@click.command(epilog="Example: attune match 'python >=3.9,<4' 'node ^20.1' '!docker' --prefer 'zone=eu'")
@click.argument("terms", nargs=-1, required=True, metavar="TERM...")
@click.option("--prefer", "preferences", multiple=True, metavar="TERM", help="Rank nodes where this holds first.")
@click.option("--tolerate", "tolerations", multiple=True, metavar="TAINT", help="Also nodes with this taint.")
@click.option("--role", type=click.Choice(list(ROLES)), default="worker", show_default=True, help="Which nodes.")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many nodes to list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def match(
    terms: Sequence[str], preferences: Sequence[str], tolerations: Sequence[str], role: str, limit: int, as_json: bool
) -> int:
    """Say where work that needs every TERM can run. Exit code 3 if no node of the fleet can.

    A term is a runtime (`python >=3.9,<4`, `!docker`), a label (`zone=eu`, `arch in (x86_64, aarch64)`) or a fact
    (`cpus >=8`).
    """
    requirement = Requirement.parse(terms)
    wishes = [Preference.parse(text) for text in preferences]
    query = MatchQuery(requirement, wishes, tolerations, ROLES[role], limit)
    answer = ask(lambda installation: installation.matcher.answer(query))
    if as_json:
        print_json(answer)
    else:
        _print(answer, role)
    if not answer["explanation"]["total"]:
        click.echo(f"No {role} has registered yet.\ntry: attune {role} start", err=True)
    return 3 if answer["explanation"]["outcome"] == PlacementOutcome.BLOCKED.value else 0


def _print(answer: Mapping[str, Any], role: str) -> None:
    eligible = answer["eligible"]
    if eligible:
        rows = []
        for node in eligible:
            running = f"{node['running']}/{node['max_concurrent'] or '-'}"
            used = [f"{name} {it['version'] or '?'} at {it['path'] or '?'}" for name, it in node["runtimes"].items()]
            rows.append([node["name"], str(node["score"]), running, ", ".join(used)])
        click.echo(listing([role.upper(), "SCORE", "RUNNING", "WOULD USE"], rows))
        if answer["eligible_count"] > len(eligible):
            click.echo(f"… and {answer['eligible_count'] - len(eligible)} more (--limit)")
        click.echo()
    click.echo(answer["text"])
