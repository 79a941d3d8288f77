"""Templates in parameters: text that is one `${{ expression }}` becomes its value, else each in it becomes text."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

OPEN, EARLIER_OPEN, _CLOSE = "${{", "{{", "}}"
"""How a template begins, and how it did in rules of earlier versions."""


class TemplateError(ValueError):
    """A template that does not end. `position` is the 0-based offset of its beginning."""

    def __init__(self, position: int) -> None:
        super().__init__(f"expected }}}} after the template at offset {position}, got the end of the text")
        self.position = position


@dataclass(frozen=True, slots=True)
class Expression:
    """The expression of one template; `position` is the offset of its text."""

    text: str
    position: int = 0


def parts_of(text: str, opening: str = OPEN) -> list[str | Expression]:
    """*text* as literals and expressions. Raises `TemplateError`."""
    parts: list[str | Expression] = []
    end = 0
    while (start := text.find(opening, end)) >= 0:
        if start > end:
            parts.append(text[end:start])
        close = _end_of(text, start, start + len(opening))
        inner = text[start + len(opening) : close]
        lead = len(inner) - len(inner.lstrip())
        parts.append(Expression(inner.strip(), start + len(opening) + lead))
        end = close + len(_CLOSE)
    if end < len(text):
        parts.append(text[end:])
    return parts


def opening_of(value: Any, *, declared: bool) -> str:
    """How templates in *value* begin: as now, if a folder has declared it or if it has one, else as earlier."""
    return OPEN if declared or OPEN in json.dumps(value) else EARLIER_OPEN


def _end_of(text: str, start: int, begin: int) -> int:
    """Where the template that begins at *start* ends; braces and quotes of its expression, at *begin*, do not count."""
    depth, quote, at = 0, "", begin
    while at < len(text):
        character = text[at]
        if quote:
            at += character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}":
            if not depth and text.startswith(_CLOSE, at):
                return at
            depth = max(0, depth - 1)
        at += 1
    raise TemplateError(start)


def expressions_in(value: Any, opening: str = OPEN) -> list[str]:
    """The expressions of every template in *value*, keys apart. Raises `TemplateError`."""
    found: list[str] = []
    rendered(value, found.append, opening)
    return found


def rendered(value: Any, values: Callable[[str], Any], opening: str = OPEN) -> Any:
    """*value* with its templates replaced by what *values* gives for their expressions. Raises `TemplateError`."""
    if isinstance(value, str):
        parts = parts_of(value, opening)
        if len(parts) == 1 and isinstance(parts[0], Expression):
            return values(parts[0].text)
        return "".join(part if isinstance(part, str) else as_text(values(part.text)) for part in parts)
    if isinstance(value, Mapping):
        return {key: rendered(below, values, opening) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(below, values, opening) for below in value]
    return value


def as_text(value: Any) -> str:
    """*value* within a text: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
