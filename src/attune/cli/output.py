"""How commands print records: as JSON, as a table, as a list of facts; a status as word, symbol and colour.

A colour is never the only sign.
"""

import json
import locale
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

import click

from attune.cli.table import table, terminal_width
from attune.config import variable

Record = TypeVar("Record")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_LOOKS = {
    status: look
    for look, statuses in {
        ("✓", "+", "green"): ("available", "active", "running", "completed"),
        ("•", "*", "blue"): ("assumed", "starting", "busy", "scheduled"),
        ("◇", "o", "blue"): ("declared",),
        ("•", "*", "yellow"): ("draining", "degraded", "waiting", "requested", "scheduling", "canceling"),
        ("?", "?", "yellow"): ("unknown", "stale", "backing off"),
        ("–", "-", "bright_black"): ("unavailable", "inactive", "cancelled", "disabled"),
        ("!", "!", "red"): ("invalid", "timeout", "abandoned", "failed", "lost", "error"),
    }.items()
    for status in statuses
}
ORDER = {"available": 0, "assumed": 1, "declared": 2, "unknown": 3, "unavailable": 4, "invalid": 5}


def fancy() -> bool:
    """Whether symbols beyond ASCII and colours are wanted: a terminal, a UTF-8 locale, no NO_COLOR."""
    return sys.stdout.isatty() and not variable("NO_COLOR") and "UTF" in locale.getpreferredencoding().upper()


def with_symbol(status: str) -> str:
    """*status* with its symbol before it."""
    symbol, plain, _ = _LOOKS.get(status, ("?", "?", None))
    return f"{symbol if fancy() else plain} {status}"


def colour_of(status: str) -> str | None:
    """The colour of *status*, None where colours are not wanted."""
    return _LOOKS.get(status, ("", "", None))[2] if fancy() else None


def print_json(data: object) -> None:
    """Print *data* as JSON; records are objects."""
    click.echo(json.dumps(data, indent=2, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def print_list(
    records: Sequence[Record],
    as_json: bool,
    heads: Sequence[str],
    row: Callable[[Record], Sequence[str]],
    *,
    empty: str | None = None,
    status: bool = False,
    data: Callable[[Record], object] = lambda record: record,
) -> None:
    """Print *records* as JSON (of *data*) or as a table; *empty* is said where there are none.

    With *status* the second cell of a row is a status, which gets its symbol and its colour.
    """
    if as_json:
        print_json([data(record) for record in records])
    elif not records and empty:
        click.echo(empty)
    else:
        click.echo(listing(heads, [row(record) for record in records], status=status))


def listing(heads: Sequence[str], rows: Iterable[Sequence[str]], *, status: bool = False) -> str:
    """A table that fits the terminal. With *status* the second cell of a row gets its symbol and its colour."""
    width = terminal_width()
    if not status:
        return table(heads, list(rows), width=width)
    cells = [[row[0], with_symbol(row[1]), *row[2:]] for row in rows]
    return table(heads, cells, width=width, colours=[colour_of(row[1]) for row in rows])


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """A line for each fact that has a value."""
    for name, value in facts:
        if value:
            click.echo(f"{name:<11} {value}")


def moment(time: datetime) -> str:
    """*time* for people: in their own zone, which is named."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def switch_command(verb: str, switch: Callable[[str, bool], None], *, text: str, example: str) -> click.Command:
    """A command that enables or disables what its argument names, by calling *switch*."""

    @click.command(name=verb, help=text, epilog=f"Example: {example}")
    @click.argument("ref")
    def switch_one(ref: str) -> None:
        switch(ref, verb == "enable")
        click.echo(f"{ref} is {verb}d")

    return switch_one
