"""Values for tests, with keyword overrides."""

from __future__ import annotations

from typing import Any

from attune.core.runtimes.definition import Definition, parse_definition
from attune.core.runtimes.runtime import Runtime


def command(**keys: Any) -> dict[str, Any]:
    return {"binary": "python3", "args": ["--version"], "exit_code": 0, "pattern": r"Python 3\.", "priority": 1, **keys}


def verification(*commands: Any, **keys: Any) -> dict[str, Any]:
    return {"verification": {"commands": list(commands), **keys}}


def make_runtime(ref: str = "core.python", name: str = "Python", distributions: Any = None, **keys: Any) -> Runtime:
    given = verification(command()) if distributions is None else distributions
    return Runtime(ref=ref, name=name, distributions=given, **keys)


def make_definition(*commands: Any, name: str = "Python", ref: str = "core.python", **keys: Any) -> Definition:
    """*keys* go beside `verification`, except those that belong inside it."""
    of_verification = ("always_available", "check_required", "discover", "examples", "undecided_patterns", "smoke")
    inside = {key: keys.pop(key) for key in of_verification if key in keys}
    distributions = {**verification(*(commands or (command(),)), **inside), **keys}
    return parse_definition(make_runtime(ref, name, distributions))
