"""`-p key=text` and `-p key:=json`, as several commands take them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attune.config.files import read_text
from attune.core.errors import UsageError, shown

_JSON_TYPES = {"array", "boolean", "integer", "null", "number", "object"}


def read_pairs(texts: Sequence[str], schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The values by key: text, or what *schema* says that the text stands for; `key=@FILE` is the text of a file.

    Raises `UsageError`, also for a key that is given twice, and `ConfigError` for a file that cannot be read.
    """
    types = (schema or {}).get("properties")
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name = key.removesuffix(":")
        if not equals or not key.rstrip(":"):
            raise UsageError(f"-p: expected KEY=TEXT or KEY:=JSON, got {shown(text)}", hint="-p name=value -p count:=3")
        if name in values:
            raise UsageError(f"-p: expected {name} once, got it twice")
        if value.startswith("@"):
            value = _of_file(name, value[1:])
        try:
            values[name] = _typed(value, types, name) if name == key else json.loads(value)
        except (ValueError, RecursionError):
            raise UsageError(f"-p: expected JSON after {key}=, got {shown(value)}", hint=f"-p {name}=TEXT") from None
    return values


def _of_file(name: str, path: str) -> str:
    text = read_text(Path(path), f"-p {name}=@{path}") if path else None
    if text is None:
        literal = json.dumps(f"@{path}")
        raise UsageError(f"-p {name}: expected a file after @, got {shown(path)}", hint=f"-p {name}:='{literal}'")
    return text


def _typed(text: str, types: object, name: str) -> Any:
    """*text* as the value that its schema in *types* asks for; as it stands where text may be meant."""
    schema = types.get(name) if isinstance(types, Mapping) else None
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    kinds = {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list) else set()
    if not kinds or not kinds <= _JSON_TYPES:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
