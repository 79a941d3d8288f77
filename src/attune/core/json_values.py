"""Which JSON the database can hold: not every value that Python reads as JSON is one that PostgreSQL stores."""

from __future__ import annotations

from math import isfinite
from typing import Any

from attune.core.documents import Path, dotted
from attune.core.errors import Fault, legible

DEEPEST = 100


def storable_fault(value: Any, root: str = "") -> Fault | None:
    """What keeps *value* from being stored, with its path below *root*; never the value itself."""
    level: list[tuple[Path, Any]] = [((), value)]
    for _ in range(DEEPEST + 1):
        inner: list[tuple[Path, Any]] = []
        for path, value in level:
            if isinstance(value, dict):
                inner += [((*path, key), part) for key, below in value.items() for part in (key, below)]
            elif isinstance(value, list):
                inner += [((*path, index), below) for index, below in enumerate(value)]
            elif problem := _problem(value):
                return Fault(legible(dotted(root, path)), *problem)
        if not inner:
            return None
        level = inner
    return Fault(root, f"JSON at most {DEEPEST} levels deep", "more")


def _problem(value: Any) -> tuple[str, str] | None:
    if isinstance(value, float) and not isfinite(value):
        return "numbers that JSON has and a double can hold", "another"
    if isinstance(value, str) and "\0" in value:
        return "text without NUL characters", "one"
    if isinstance(value, str) and not value.isascii() and value != value.encode(errors="ignore").decode():
        return "text that is Unicode", "half of a surrogate pair"
    return None
