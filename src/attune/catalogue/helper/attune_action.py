"""What an action in Python is given, and what it gives back: one file without dependencies, Python 3.7 or later."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any


def parameters() -> dict[str, Any]:
    """The parameters, with their types, in whatever way the action gets them."""
    return dict(_parameters())


def result(value: Any) -> None:
    """Print *value* as the result; the last one counts. What is no JSON is written as text."""
    print(json.dumps(value, default=str), flush=True)


def log(*texts: Any) -> None:
    """Print *texts* for whoever reads the output of the execution: they are no result."""
    print(*texts, file=sys.stderr, flush=True)


@lru_cache(maxsize=None)  # stdin is read once
def _parameters() -> dict[str, Any]:
    way = os.environ.get("ATTUNE_PARAMETER_DELIVERY", "stdin")
    types = json.loads(os.environ.get("ATTUNE_PARAMETER_TYPES", "{}"))
    given = Path(os.environ["ATTUNE_PARAMETER_FILE"]).read_bytes() if way == "file" else sys.stdin.buffer.read()
    is_dotenv = os.environ.get("ATTUNE_PARAMETER_FORMAT") == "dotenv"
    read: dict[str, Any] = {} if is_dotenv else json.loads(given or b"{}")  # with `env` and `args`, the secret ones
    texts = dict(pair.split("=", 1) for pair in shlex.split(given.decode())) if is_dotenv else {}
    if way == "env":
        texts = {name: os.environ["ATTUNE_PARAM_" + re.sub("[^A-Z0-9_]", "_", name.upper())] for name in types}
    elif way == "args":
        texts = _arguments(types)
    read.update({name: json.loads(text) if types[name][:4] == "json" else text for name, text in texts.items()})
    return read


def _arguments(types: dict[str, str]) -> dict[str, str]:
    """The arguments by name; those without a name, at the end, are told by their places: `text:1`, `json:2`."""
    places = {name: int(kind.partition(":")[2]) for name, kind in types.items() if ":" in kind}
    bare = sys.argv[len(sys.argv) - max(places.values(), default=0) :]
    texts = dict(argument[2:].split("=", 1) for argument in sys.argv[1 : len(sys.argv) - len(bare)])
    texts.update({name: bare[place - 1] for name, place in places.items()})
    return texts
