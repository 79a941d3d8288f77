"""`-p key=text` and `-p key:=json`, as several commands take them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attune.config.files import read_text
from attune.core.errors import UsageError, shown
from attune.core.json_schema import typed


def read_pairs(texts: Sequence[str], schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The values by key: text, or what *schema* says that the text stands for; `key=@FILE` is the text of a file.

    Raises `UsageError`, also for a key that is given twice, and `ConfigError` for a file that cannot be read.
    """
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
            values[name] = typed(schema or {}, name, value) if name == key else json.loads(value)
        except (ValueError, RecursionError):
            raise UsageError(f"-p: expected JSON after {key}=, got {shown(value)}", hint=f"-p {name}=TEXT") from None
    return values


def _of_file(name: str, path: str) -> str:
    text = read_text(Path(path), f"-p {name}=@{path}") if path else None
    if text is None:
        literal = json.dumps(f"@{path}")
        raise UsageError(f"-p {name}: expected a file after @, got {shown(path)}", hint=f"-p {name}:='{literal}'")
    return text
