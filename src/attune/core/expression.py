"""What an expression came to, and who can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

LONGEST_EXPRESSION = 2000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A value, or the sentence that says why there is none; for bad syntax with line and column, from 1."""

    value: Any = None
    problem: str | None = None
    line: int | None = None
    column: int | None = None


class Expressions(Protocol):
    """Evaluates expressions without running anything else, in bounded time."""

    async def evaluate(self, texts: Sequence[str], variables: Mapping[str, Any]) -> Sequence[Evaluated]: ...

    async def check(self, texts: Sequence[str]) -> Sequence[Evaluated]: ...
