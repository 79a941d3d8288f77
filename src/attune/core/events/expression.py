"""What an expression came to, and who can tell."""

import re
from dataclasses import dataclass
from typing import Any

LONGEST_EXPRESSION = 2000
"""Characters."""
_TIMES = "FullYear Month Date DayOfMonth DayOfWeek DayOfYear Hours Minutes Seconds Milliseconds"
_OTHERS = "size contains startsWith endsWith matches int uint double string bytes type duration timestamp dyn"
FUNCTIONS = frozenset(_OTHERS.split(" ")) | {f"get{part}" for part in _TIMES.split(" ")}
"""What expressions can call, beside the macros `has`, `all`, `exists`, `exists_one`, `map` and `filter`."""
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A value, or the sentence that says why there is none; for bad syntax with line and column, from 1.

    `seconds` of processor time were used; `overran` if a limit ended it.
    """

    value: Any = None
    problem: str | None = None
    line: int | None = None
    column: int | None = None
    seconds: float = 0.0
    overran: bool = False


def unknown_names(text: str, checked: Evaluated, variables: frozenset[str]) -> list[str]:
    """The variables and functions that *text*, of which *checked* tells, names in vain."""
    named = set(checked.value["variables"]) - variables - set(_BOUND.findall(text))
    called = {name for name in checked.value["functions"] if name[:1].isalpha()} - FUNCTIONS
    return sorted(named) + sorted(f"{name}()" for name in called)
