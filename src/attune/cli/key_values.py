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
        key, equals, value = text.partition("=")
        name = key.removesuffix(":")
        if not equals or not key.rstrip(":"):
            raise UsageError(f"-p: expected KEY=TEXT or KEY:=JSON, got {shown(text)}", hint="-p name=value -p count:=3")
        if name in values:
            raise UsageError(f"-p: expected {name} once, got it twice")
        try:
            values[name] = value if name == key else json.loads(value)
        except (ValueError, RecursionError):
            raise UsageError(f"-p: expected JSON after {key}=, got {shown(value)}", hint=f"-p {name}=TEXT") from None
    return values
