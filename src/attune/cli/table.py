"""Plain tables: numbers line up, only the last column wraps, colour is never the only sign."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from textwrap import wrap

import click

_GAP = "  "
_NARROWEST_LAST = 26


def terminal_width() -> int | None:
    """The width that output must fit, or None where it goes to a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None = None,
    colours: Sequence[str | None] = (),
    squeeze: int | None = None,
) -> str:
    """Lines of a table. *colours* has one for each row's second cell; column *squeeze* gives way when it is tight."""
    widths = [max(len(row[index]) for row in (heads, *rows)) for index in range(len(heads) - 1)]
    if width is not None and squeeze is not None:
        left = width - sum(widths) - len(_GAP) * len(widths) - _NARROWEST_LAST
        widths[squeeze] = max(10, widths[squeeze] + min(0, left))
    used = sum(widths) + len(_GAP) * len(widths)
    room = max(_NARROWEST_LAST, width - used) if width is not None else None
    lines = [_line(heads, widths, None).rstrip()]
    for index, row in enumerate(rows):
        last = wrap(row[-1], room, break_on_hyphens=False) if room else [row[-1]]
        cells = [*row[:-1], last[0] if last else ""]
        lines.append(_line(cells, widths, colours[index] if colours else None).rstrip())
        lines.extend(" " * used + more for more in last[1:])
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], colour: str | None) -> str:
    padded = [_fit(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=False)]
    if colour:
        padded[1] = click.style(padded[1], fg=colour)
    return _GAP.join([*padded, cells[-1]])


def _fit(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    keep = max(1, width - 1)
    return text[: keep // 3] + "…" + text[len(text) - (keep - keep // 3) :]


def age(seconds: float | None) -> str:
    """*seconds* as people say it: "3 s", "4 min", "2 h", "5 d"."""
    if seconds is None:
        return "never"
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{max(0, seconds) / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
