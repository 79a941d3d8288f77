"""Plain tables: numbers line up, only the last column wraps, colour is never the only sign."""

import shutil
import sys
from collections.abc import Sequence
from textwrap import wrap
from unicodedata import combining, east_asian_width

import click

from attune.core.errors import legible

_GAP, _INDENT = "  ", " " * 4
_NARROWEST, _NARROWEST_LAST = 10, 20


def terminal_width() -> int | None:
    """The width that output must fit, or None where it goes to a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None, colours: Sequence[str | None] = ()
) -> str:
    """Lines of a table, none wider than *width*. *colours* has one for each row's second cell.

    The last cell of a row wraps; where little room is left for it, it stands below its row.
    """
    rows = [[legible(cell, len(cell)) for cell in row] for row in rows]
    *widths, longest = (max(map(_cells, column)) for column in zip(heads, *rows, strict=True))
    gaps = len(_GAP) * len(widths)
    while widths and sum(widths) + gaps > (width or sys.maxsize) and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    indent = sum(widths) + gaps
    room = None if width is None else width - indent
    below = room is not None and room < min(_NARROWEST_LAST, longest)
    if width is not None and below:
        indent, room = len(_INDENT), max(_NARROWEST, width - len(_INDENT))
    lines: list[str] = []
    for row, colour in zip((heads, *rows), (None, *(colours or [None] * len(rows))), strict=True):
        last = wrap(row[-1], room, break_on_hyphens=False) if room else [row[-1]]
        if below:
            last = ["", *last]
        lines.append(_line([*row[:-1], last[0] if last else ""], widths, colour).rstrip())
        lines.extend(" " * indent + more for more in last[1:])
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], colour: str | None) -> str:
    padded = [_fit(cell, width) for cell, width in zip(cells, widths, strict=False)]
    if colour:
        padded[1] = click.style(padded[1], fg=colour)
    return _GAP.join([*padded, cells[-1]])


def _cells(text: str) -> int:
    """How many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _fit(text: str, width: int) -> str:
    """*text* in exactly *width* columns: its end matters most, then its beginning."""
    if _cells(text) > width:
        keep = max(1, width - 1)
        text = f"{_head(text, keep // 3)}…{_head(text[::-1], keep - keep // 3)[::-1]}"
    return text + " " * (width - _cells(text))


def _head(text: str, width: int) -> str:
    taken = 0
    for index, char in enumerate(text):
        taken += _cells(char)
        if taken > width:
            return text[:index]
    return text
