"""What changed between two JSON documents."""

from __future__ import annotations

from typing import Any

_IGNORED = ("id", "created", "updated")


def changed_paths(old: Any, new: Any, path: str = "") -> list[str]:
    """The paths at which *old* and *new* differ; "everything" where one of them is absent."""
    if not path and (old is None or new is None):
        return ["everything"]
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in {**old, **new} if path or key not in _IGNORED]
        pairs = [(old.get(key), new.get(key), f"{path}.{key}" if path else str(key)) for key in keys]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(a, b, f"{path}[{index}]") for index, (a, b) in enumerate(zip(old, new, strict=True))]
    else:
        return [] if old == new else [path or "everything"]
    return [found for a, b, place in pairs for found in changed_paths(a, b, place)]
