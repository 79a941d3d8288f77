"""JSON that others wrote into the database, read so that one bad row cannot spoil the reading of all."""

from __future__ import annotations

import json
from typing import Any

from psycopg import AsyncCursor
from psycopg.types.json import set_json_loads

MAX_DEPTH = 100


class UnreadableJson(str):
    """Stands for JSON that PostgreSQL holds and Python cannot take in; it says what is the matter with it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def tolerate(cursor: AsyncCursor[Any]) -> None:
    """Let *cursor* give an `UnreadableJson` instead of failing."""
    set_json_loads(loads, cursor)


def loads(text: str | bytes) -> Any:
    """The value of *text*, which is valid JSON; an `UnreadableJson` if it is too deep or its numbers are too long."""
    try:
        value = json.loads(text)
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return UnreadableJson("JSON with a number of thousands of digits")
    return _TOO_DEEP if _is_deeper(value, MAX_DEPTH) else value


_TOO_DEEP = UnreadableJson(f"JSON nested more than {MAX_DEPTH} levels deep")


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
