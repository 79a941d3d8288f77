"""`-p key=text` and `-p key:=json`, as several commands take them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attune.core.errors import UsageError, shown


def read_pairs(texts: Sequence[str]) -> dict[str, Any]:
    """The values by key. Raises `UsageError`, also for a key that is given twice."""
    values: dict[str, Any] = {}
    for text in texts:
        key, value = _pair(text)
        if key in values:
            raise UsageError(f"-p: expected {key} once, got it twice")
        values[key] = value
    return values


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.rstrip(":"):
        raise UsageError(f"-p: expected KEY=TEXT or KEY:=JSON, got {shown(text)}", hint="-p name=value -p count:=3")
    if not key.endswith(":"):
        return key, value
    try:
        return key[:-1], json.loads(value)
    except (ValueError, RecursionError):
        raise UsageError(f"-p: expected JSON after {key}=, got {shown(value)}", hint=f"-p {key[:-1]}=TEXT") from None
