"""`attune match`: which nodes can run this, why the others cannot, and what would help."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import click

from attune.cli.table import table, terminal_width
from attune.config import load_settings
from attune.core.explanation import Outcome
from attune.core.fleet import Node
from attune.core.node import ROLES, Role
from attune.core.requirement import Preference, Requirement
from attune.operations.place import Placed, place


@click.command(epilog="Example: attune match 'python >=3.9,<4' 'node ^20.1' '!docker' --prefer 'zone=eu'")
@click.argument("terms", nargs=-1, required=True, metavar="TERM...")
@click.option("--prefer", "preferences", multiple=True, metavar="TERM", help="Rank nodes where this holds first.")
@click.option("--tolerate", "tolerations", multiple=True, metavar="TAINT", help="Also nodes with this taint.")
@click.option("--role", type=click.Choice(list(ROLES)), default="worker", show_default=True, help="Which nodes.")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many nodes to list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def match(
    terms: Sequence[str],
    preferences: Sequence[str],
    tolerations: Sequence[str],
    role: str,
    limit: int,
    as_json: bool,
) -> int:
    """Say where work that needs every TERM can run. Exit code 3 if no node of the fleet can.

    A term is a runtime (`python >=3.9,<4`, `!docker`), a label (`zone=eu`, `arch in (x86_64, aarch64)`) or a fact
    (`cpus >=8`).
    """
    requirement = Requirement.parse(terms)
    wishes = [Preference.parse(text) for text in preferences]
    nodes = asyncio.run(_fleet(ROLES[role]))
    placed = place(requirement, nodes, preferences=wishes, tolerations=tolerations)
    if as_json:
        click.echo(json.dumps(placed.to_data(limit), indent=2, ensure_ascii=False))
    else:
        _print(placed, limit, role)
    if not nodes:
        click.echo(f"No {role} has registered yet.\ntry: attune {role} start", err=True)
    return 3 if placed.explanation.outcome is Outcome.BLOCKED else 0


async def _fleet(role: Role) -> Sequence[Node]:
    from attune.bootstrap import opened, require_migrated, use_database
    from attune.postgres.nodes import PostgresNodes

    with use_database(load_settings()) as database:
        await asyncio.to_thread(require_migrated, database.url)
        async with opened(database, "attune") as pool:
            return await PostgresNodes(pool).fleet(role)


def _print(placed: Placed, limit: int, role: str) -> None:
    eligible = placed.placement.eligible
    if eligible:
        rows = [
            [
                candidate.node.name,
                str(candidate.score),
                f"{candidate.node.running}/{candidate.node.max_concurrent or '-'}",
                ", ".join(
                    f"{name} {instance.version or '?'} at {instance.path or '?'}"
                    for name, instance in candidate.instances.items()
                ),
            ]
            for candidate in eligible[:limit]
        ]
        click.echo(table([role.upper(), "SCORE", "RUNNING", "WOULD USE"], rows, width=terminal_width()))
        if len(eligible) > limit:
            click.echo(f"… and {len(eligible) - limit} more (--limit)")
        click.echo()
    click.echo(str(placed.explanation))
