"""A runtime as it stands in the table `runtime`: the row, unread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Runtime:
    """One row of table `runtime`.

    `distributions` is the JSON as stored, whatever it is; `definition.py` reads it.
    """

    ref: str
    name: str
    distributions: Any
    id: int | None = None
    pack: int | None = None
    pack_ref: str | None = None
    description: str | None = None
    installation: Any = None
